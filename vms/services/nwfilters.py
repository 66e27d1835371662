"""A host's network filters: what they are made of, and who is behind them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from hashlib import sha256

from vms.errors import BadFields
from vms.kinds import KINDS
from vms.kinds.networks import FilterDocument, Identity
from vms.libvirtxml import BadXML, filter_name, filters_used, with_uuid, written
from vms.models import Document, Host, NetworkFilter, Operation, VirtualMachine
from vms.permissions import Actor, require
from vms.services import operations
from vms.services.networks import PRIVILEGE


@dataclass(frozen=True)
class Filter:
    """A filter; vms: those with a card behind it, filters: those that are made of it, by their names."""

    row: NetworkFilter
    vms: list[VirtualMachine]
    filters: list[str]


def known(host: Host) -> list[Filter]:
    """Those of the host, by name."""
    rows = list(NetworkFilter.objects.filter(host=host).order_by("name"))
    made_of = {row.name: filters_used(row.document) for row in rows}
    behind: dict[str, dict[int, VirtualMachine]] = {}
    documents = Document.objects.filter(
        placement__host=host, placement__present=True, placement__current_of__isnull=False
    ).select_related("placement__vm")
    for document in documents.filter(live__contains="<filterref") | documents.filter(next_boot__contains="<filterref"):
        for name in filters_used(document.live or "<a/>") | filters_used(document.next_boot or "<a/>"):
            behind.setdefault(name, {})[document.placement.vm_id] = document.placement.vm
    return [
        Filter(
            row,
            sorted(behind.get(row.name, {}).values(), key=lambda vm: vm.name),
            sorted(name for name, used in made_of.items() if row.name in used),
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Difference:
    """What setting a filter changes: lines with what stands before them, "+", "-", "@" or " ". of: which definition of
    the host's it was compared with."""

    name: str
    new: bool
    lines: list[tuple[str, str]]
    of: str


def difference(host: Host, document: str) -> Difference:
    """From the host's filter of its name to the document; no lines where they are alike. Raises BadFields."""
    name = named(document)
    row = NetworkFilter.objects.filter(host=host, name=name).first()
    before = row.document.strip() if row else ""
    # Without a UUID it takes that of the filter that it replaces.
    after = with_uuid(document, str(row.uuid)).strip() if row else document.strip()
    told = difflib.unified_diff(plain(before), plain(after), lineterm="", n=3)
    lines = [(line[0], line[1:]) for line in list(told)[2:]]
    return Difference(name, row is None, lines, sha256(before.encode()).hexdigest())


def plain(text: str) -> list[str]:
    """The lines of a definition as libvirt writes it: two documents that say the same are the same lines."""
    return written(text).splitlines() if text else []


def named(document: str) -> str:
    """The name in it. Raises BadFields."""
    try:
        return filter_name(document)
    except BadXML as bad:
        raise BadFields({"document": str(bad)}) from None


def define(actor: Actor, host: Host, document: str, key: str | None = None) -> Operation:
    """The operation that sets it, in the place of the one of its name. Raises BadFields, and what
    operations.request() raises."""
    require(actor, PRIVILEGE, host)
    named(document)
    params = FilterDocument(document)
    return operations.request(KINDS["filter.define"], host, actor=actor, params=params, idempotency_key=key)


def delete(actor: Actor, host: Host, uuid: str, key: str | None = None) -> Operation:
    """The operation that lets the host forget it; the worker refuses it while something names it."""
    return operations.request(KINDS["filter.delete"], host, actor=actor, params=Identity(uuid), idempotency_key=key)
