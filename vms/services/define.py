"""VMs of definitions that administrators write: what would be made, what should be known before, and the operation.

A definition is power over its host, so that this needs vm.define whatever is in it; what in it equals root is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as mark

from vms import live
from vms.errors import BadDefinition, BadParameters
from vms.kinds.define import DEFINE, Written
from vms.libvirtxml import DEFINE as ROOT
from vms.libvirtxml import Belongings, DomainXML, Fault, belongings, blame, difference, line_of, mask, stand_ins
from vms.models import Document, Host, Operation, Placement, User
from vms.permissions import Actor, Who, require, visible_vms
from vms.services import create, maintenance, operations
from vms.services.vm_names import NAME
from vms.services.wishes import Warning

PRIVILEGE: Final = "vm.define"
# What no machine has, and every column holds.
MOST_CPUS: Final = 65_535
MOST_KIB: Final = 1 << 40
# Nodes that equal root and are told, as an example of the rest.
TOLD: Final = 12

WORDS: Final = {
    "xml": mark("No XML that is taken: {said}."),
    "schema": mark("libvirt's schema does not fit: {said}."),
    "attribute": mark("{said} is not taken there."),
    "element": mark("{said}, with what is in it, is not taken there."),
    "text": mark("{said} is not taken there."),
    "twice": mark("{said} is there once more."),
    "name": mark("Its name: a letter or digit first, then letters, digits and . _ + -; 80 characters at most."),
    "taken": mark("There is a VM called {said} on this host. Give it another name."),
    "cpus": mark("So many processors has no machine."),
    "vcpus": mark("It would have more processors than it has at most."),
    "uuid": mark("Its UUID stays what it is; this is another: {said}."),
    "renamed": mark("Its name stays what it is here, renaming is a step of its own: {said}."),
    "secret": mark("No secret was at {said}, so there is nothing to keep there. Write it anew, or take it out."),
    "memory": mark("Its memory is missing, or more than any machine has."),
}


@dataclass(frozen=True)
class Draft:
    """A definition that can be made. document: without a UUID, which is given when it is made. roots: the places in it
    that equal root on the host, the first of them; more: how many others."""

    host: Host
    document: DomainXML
    takes: dict[str, int]
    warnings: tuple[Warning, ...]
    roots: tuple[str, ...]
    more: int

    @property
    def name(self) -> str:
        return self.document.name or ""

    @property
    def has(self) -> Belongings:
        """Its disks and media."""
        return belongings([self.document])


def words(fault: tuple[int, str, str]) -> str:
    """What is wrong, as a sentence."""
    return gettext(WORDS[fault[1]]).format(said=fault[2])


def draft(actor: Actor, host: Host, text: str) -> Draft:
    """What would be made of the text on that host; nothing is handed to it. Raises NotAllowed, and BadDefinition with
    all that is found wrong."""
    require(actor, PRIVILEGE, host)
    maintenance.refuse(actor, host)
    wrong = blame(text)
    if wrong:
        raise BadDefinition(wrong)
    document = DomainXML.parse(text)
    wrong = list(faults_of(host, document))
    if wrong:
        raise BadDefinition(wrong)
    needs = [need.place for need in difference(None, text) if need.privilege == ROOT]
    warnings = tuple(warnings_of(actor, host, document))
    give_identity(document, None)
    return Draft(
        host=host,
        document=document,
        takes={"vms": 1, "vcpus": document.vcpus or 1, "memory_kib": document.memory_kib or 0},
        warnings=warnings,
        roots=tuple(needs[:TOLD]),
        more=max(0, len(needs) - TOLD),
    )


def faults_of(host: Host, document: DomainXML) -> Iterator[Fault]:
    """What the schema lets through and we do not."""
    name = document.name or ""
    if not NAME.fullmatch(name):
        yield Fault(line(document, "name"), "name", name)
    elif create.is_taken(host, name):
        yield Fault(line(document, "name"), "taken", name)
    yield from sizes(document)
    # It was made of a public form: what stands there is no secret.
    yield from (Fault(one.line, "secret", one.place) for one in stand_ins(document.text))


def sizes(document: DomainXML) -> Iterator[Fault]:
    """Of processors and memory what no machine has."""
    if not 1 <= (1 if document.vcpus is None else document.vcpus) <= MOST_CPUS:
        yield Fault(line(document, "vcpu"), "cpus", "")
    elif (document.vcpus_current or 0) > (document.vcpus or 1):
        yield Fault(line(document, "vcpu"), "vcpus", "")
    if not 1 <= (document.memory_kib or 0) <= MOST_KIB:
        yield Fault(line(document, "memory"), "memory", "")


def line(document: DomainXML, name: str) -> int:
    """The line of the element, the root's where there is none."""
    found = document.element.find(name)
    return line_of(document.element if found is None else found)


def warnings_of(who: Who, host: Host, document: DomainXML) -> Iterator[Warning]:
    """What should be known before."""
    if document.uuid or identities(document):
        yield Warning("uuid_replaced", {})
    if host.facts.get("domain_type") != "kvm" or document.type == "qemu":
        yield Warning("no_kvm", {})
    there = Placement.objects.filter(present=True, vm__deleted_at=None)
    for mac in dict.fromkeys(document.macs):
        if names := seen(who, there.filter(search__contains=mac)):
            yield Warning("mac_taken", {"mac": mac, **names})
    own = belongings([document])
    shared = {tuple(one[:2]) for one in own.shared}
    wanted = {(one[0], one[1]) for one in own.disks if tuple(one[:2]) not in shared}
    wanted |= {("path", own.nvram)} if own.nvram else set()
    for how, where in sorted(wanted):
        users = [
            document.placement_id
            for document in Document.objects.filter(placement__in=there.filter(host=host)).only("placement", "sources")
            if any([how, where] == source[:2] for source in document.sources)
        ]
        if users:
            yield Warning("source_used", {"source": where, **seen(who, there.filter(pk__in=users))})


def seen(who: Who, placements: object) -> dict[str, object]:
    """The VMs as the parameters of a sentence: the names of those that he sees, and how many more; {} for none."""
    found = Placement.objects.filter(pk__in=placements.values("pk"))  # type: ignore[attr-defined]
    number = found.count()
    names = [vm.name for vm in visible_vms(who).filter(placements__in=found).distinct().order_by("name")[:3]]
    return {"by": ", ".join(names), "others": max(0, number - len(names))} if number else {}


def identities(document: DomainXML) -> list[object]:
    """The places where a definition repeats its UUID, which libvirt wants to be the same."""
    return list(document.element.iterfind("sysinfo/system/entry[@name='uuid']"))


def give_identity(document: DomainXML, uuid: str | None) -> None:
    """This UUID in the place of any that it has; None for none."""
    for entry in document.element.findall("uuid"):
        document.element.remove(entry)
    for system in document.element.iterfind("sysinfo/system"):
        for entry in system.findall("entry[@name='uuid']"):
            if uuid:
                entry.text = uuid
            else:
                system.remove(entry)
    if uuid:
        document.uuid = uuid


def define(actor: Actor, host: Host, text: str, *, idempotency_key: str | None = None) -> Operation:
    """The operation that makes it. Raises what draft raises, NameGivesRights, OverQuota and what request raises."""
    with transaction.atomic():
        if idempotency_key:
            # One after the other, so that the second finds the first's row.
            list(User.objects.select_for_update().filter(pk=actor.user.pk).values_list("pk", flat=True))
            require(actor, PRIVILEGE, host)
            if known := asked_before(actor, host, text, idempotency_key):
                return known
        made = draft(actor, host, text)
        vm = create.new_vm(
            actor, host, made.name, vcpus=made.takes["vcpus"], memory_kib=made.takes["memory_kib"],
            graphics=sorted({screen.type for screen in made.document.graphics if screen.type}),
            serials=made.document.serials,
        )  # fmt: skip
        document = DomainXML.parse(text)
        give_identity(document, str(vm.placement.uuid if vm.placement else ""))
        operation = operations.request(
            DEFINE, vm, actor=actor, params=Written(digest(text)), secrets={"definition": document.text},
            takes=made.takes, idempotency_key=idempotency_key, locks=[create.name_lock(host, made.name)],
        )  # fmt: skip
        live.announce(["vms:*"])
    return operation


def digest(text: str) -> str:
    return sha256(mask(text).encode()).hexdigest()


def asked_before(actor: Actor, host: Host, text: str, key: str) -> Operation | None:
    """The one of that key in the last day; BadParameters where it was another request."""
    known = operations.of_key(actor, key)
    if known is None:
        return None
    if blame(text) or (known.kind, known.host_id, known.params.get("asked")) != (DEFINE.name, host.pk, digest(text)):
        raise BadParameters(field="Idempotency-Key")
    return known
