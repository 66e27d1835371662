"""A host's secrets: what they are for, and who signs in with them. What they are is nowhere here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vms.errors import BadFields
from vms.kinds import KINDS
from vms.kinds.secrets import USAGES, Identity, Purpose
from vms.libvirtxml import names_secret
from vms.models import Document, Host, Operation, StoragePool, VirtualMachine
from vms.permissions import Actor, require
from vms.services import operations

PRIVILEGE: Final = "secret.admin"
LONGEST_VALUE: Final = 1 << 16


@dataclass(frozen=True)
class Secret:
    """One that a host keeps. users: what names it."""

    uuid: str
    usage: str
    name: str
    private: bool
    users: list[StoragePool | VirtualMachine]


def known(host: Host) -> list[Secret]:
    """Those that the host has told of, by purpose and name."""
    told = host.facts.get("secrets")
    found = [entry for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
    return [
        Secret(
            entry["uuid"], entry["usage"], entry["name"], entry["private"], users(host, entry["uuid"], entry["name"])
        )
        for entry in found
    ]


def users(host: Host, uuid: str, name: str) -> list[StoragePool | VirtualMachine]:
    """The pools and VMs of the host whose definitions name it."""
    pools = StoragePool.objects.filter(host=host, present=True, document__contains="<secret").order_by("name")
    documents = Document.objects.filter(
        placement__host=host, placement__present=True, placement__current_of__isnull=False
    ).select_related("placement__vm")
    using: list[StoragePool | VirtualMachine] = [pool for pool in pools if names_secret(pool.document, uuid, name)]
    for document in documents.filter(live__contains="<secret") | documents.filter(next_boot__contains="<secret"):
        if any(text and names_secret(text, uuid, name) for text in (document.live, document.next_boot)):
            using.append(document.placement.vm)
    return using


def set_value(actor: Actor, host: Host, given: Mapping[str, str], key: str | None = None) -> Operation:
    """The operation that sets it, made where there is none for this purpose. Raises BadFields, and what
    operations.request() raises."""
    require(actor, PRIVILEGE, host)
    usage, name, value = given.get("usage", ""), given.get("name", "").strip(), given.get("value", "")
    faults = {} if usage in USAGES else {"usage": "choice"}
    if not name:
        faults["name"] = "missing"
    elif len(name) > 255 or not name.isprintable():
        faults["name"] = "name_long"
    if not 0 < len(value.encode(errors="replace")) <= LONGEST_VALUE:
        faults["value"] = "secret_value"
    if faults:
        raise BadFields(faults)
    return operations.request(
        KINDS["secret.set"], host, actor=actor, params=Purpose(usage, name), secrets={"value": value},
        idempotency_key=key,
    )  # fmt: skip


def delete(actor: Actor, host: Host, uuid: str, key: str | None = None) -> Operation:
    """The operation that lets the host forget it; the worker refuses it while something names it."""
    return operations.request(KINDS["secret.delete"], host, actor=actor, params=Identity(uuid), idempotency_key=key)
