"""The definition of a VM as text: what a change of it would do, and the operation that makes it.

The text that people see and edit is the public form, without secrets; the worker puts these back, each to its place, in
the definition that the host has at that moment (vms.libvirtxml.graft).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from typing import Final, Literal

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as mark

from vms.errors import BadDefinition, DefinitionChanged, LiveFixed, NotFound, SecretGone
from vms.kinds import xml as kinds
from vms.kinds.privileges import PRIVILEGES
from vms.libvirtxml import (
    BadXML,
    DomainXML,
    Fault,
    Need,
    blame,
    difference,
    examples,
    mask,
    parse,
    serialize,
    ungrafted,
)
from vms.models import Document, Operation, Version, VirtualMachine
from vms.permissions import Actor, held, require, require_all
from vms.services import define, operations
from vms.services.freshness import placed
from vms.services.history import digest

PRIVILEGE: Final = "vm.define"
Which = Literal["live", "next"]
# Rare parts that are written here alone, with what they need.
EXAMPLES: Final = {
    "smartcard": mark("Smartcard reader (with a SPICE screen)"),
    "redirdev": mark("Redirected USB (with a SPICE screen)"),
    "iommu": mark("IOMMU (Intel's, on Q35)"),
    "numa": mark("NUMA nodes"),
    "iothreads": mark("IO thread for a disk"),
}
# Of a difference so many lines are told.
MOST_LINES: Final = 4000
# Comparing takes time with the square of what is compared, at worst.
MOST_COMPARED: Final = 600_000


@dataclass(frozen=True)
class Line:
    """A line of a difference: how is "+", "-", "@" for where a part begins, or "" for one that is in both. filled: by
    libvirt, beside what was asked for."""

    how: str
    text: str
    filled: bool = False


@dataclass(frozen=True)
class Preview:
    """What a text would make of a VM's definition. base: the digest of what it was compared with. needs: what differs,
    with the privilege for each. nothing: it differs in nothing."""

    base: str
    lines: tuple[Line, ...]
    needs: tuple[Need, ...]
    privileges: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        return not self.needs


def document_of(vm: VirtualMachine) -> Document:
    """What was last seen of its definitions; empty where nothing was."""
    return Document.objects.filter(placement=placed(vm)).first() or Document()


def text_of(document: Document, which: Which) -> str:
    """Raises NotFound where there is none: it does not run, or is not kept."""
    text = document.live if which == "live" else document.next_boot
    if not text:
        raise NotFound(which)
    return text


def lines_between(before: str, after: str, *, context: int = 3) -> tuple[Line, ...]:
    """The lines that differ, with some around them. Both are written by the same serialiser first."""
    if len(before) + len(after) > MOST_COMPARED and before != after:
        return (Line("@", gettext("These are too long to be compared line by line.")),)
    told = unified_diff(one_way(before).splitlines(), one_way(after).splitlines(), n=context, lineterm="")
    found = [Line(text[0].strip(), text[1:] if text[0] != "@" else text) for text in list(told)[2 : MOST_LINES + 2]]
    return tuple(found)


def one_way(text: str) -> str:
    """As our serialiser writes it: libvirt quotes otherwise. What is no XML stays as it is."""
    try:
        return serialize(parse(text))
    except BadXML:
        return text


def with_example(text: str, name: str) -> tuple[str, str]:
    """(the text with the example of that name, what is in the way). Of what is no XML nothing is said here: judge()
    does."""
    try:
        return examples.add(text, name), ""
    except BadXML:
        return text, ""
    except (examples.ThereAlready, KeyError):
        return text, gettext("There is one already.")


def preview(actor: Actor, vm: VirtualMachine, text: str) -> Preview:
    """What would be made of it; nothing is handed to the host. Raises NotAllowed, NotFresh, NotFound, and BadDefinition
    with all that is found wrong."""
    require(actor, PRIVILEGE, vm)
    current = text_of(document_of(vm), "next")
    judge(vm, current, text)
    needs = difference(current, mask(text))
    return Preview(digest(current), lines_between(current, mask(text)), needs, privileges(needs))


def judge(vm: VirtualMachine, current: str, text: str) -> None:
    """Nothing, or BadDefinition with all that is wrong. What the host itself has is not blamed on the text: its libvirt
    may know more than the schema here, and where a secret is, its stand-in may not fit."""
    wrong = blame(text)
    if wrong and wrong[0].code != "xml":
        known = {(fault.code, fault.said) for fault in blame(current)}
        wrong = [fault for fault in wrong if (fault.code, fault.said) not in known]
    wrong = wrong or list(faults_of(vm, current, text))
    if wrong:
        raise BadDefinition(wrong)


def privileges(needs: tuple[Need, ...]) -> tuple[str, ...]:
    return tuple(name for name in PRIVILEGES if name in {need.privilege for need in needs})


def faults_of(vm: VirtualMachine, current: str, text: str) -> Iterator[Fault]:
    """What the schema lets through and we do not."""
    document, placement = DomainXML.parse(text), placed(vm)
    if document.uuid != str(placement.uuid):
        yield Fault(define.line(document, "uuid"), "uuid", document.uuid or "")
    if document.name != DomainXML.parse(current).name:
        yield Fault(define.line(document, "name"), "renamed", document.name or "")
    yield from define.sizes(document)
    yield from (Fault(one.line, "secret", one.place) for one in ungrafted(current, text))


def edit(
    actor: Actor, vm: VirtualMachine, text: str, *, base: str, document: Which = "next",
    open_screens: bool = False, idempotency_key: str | None = None,
) -> Operation:  # fmt: skip
    """The operation that puts it in the place of the definition whose digest base is. open_screens: a password that
    the text does not have goes. Raises what preview raises, DefinitionChanged, LiveFixed, and what request raises."""
    require(actor, PRIVILEGE, vm)
    if document == "live":
        raise LiveFixed(name=vm.name)
    if known := operations.asked_with(actor, kinds.EDIT, vm.pk, idempotency_key, base=base, open_screens=open_screens):
        return known
    if digest(document_of(vm).next_boot) != base:
        raise DefinitionChanged(name=vm.name)
    preview(actor, vm, text)
    params = kinds.Edited(base, digest(mask(text)), open_screens)
    return operations.request(
        kinds.EDIT, vm, actor=actor, params=params, secrets={"definition": text}, idempotency_key=idempotency_key
    )


@dataclass(frozen=True)
class Return:
    """What it takes to return to a version. missing: the privileges that the reader lacks for it."""

    needs: tuple[Need, ...]
    privileges: tuple[str, ...]
    missing: tuple[str, ...]
    base: str


def called_as_now(text: str, current: str) -> str:
    """The text with the name of the current one: renaming is a step of its own, and nothing returns from it."""
    document, name = DomainXML.parse(text), DomainXML.parse(current).name
    if document.name == name:
        return text
    document.name = name
    return document.text


def to_return(actor: Actor, vm: VirtualMachine, version: Version) -> Return:
    current = document_of(vm).next_boot
    needs = difference(current, called_as_now(version.xml, current)) if current else ()
    names = privileges(needs)
    holds = held(actor, vm)
    return Return(needs, names, tuple(name for name in names if name not in holds), digest(current))


def give_back(
    actor: Actor, vm: VirtualMachine, version: Version, *, base: str = "", idempotency_key: str | None = None
) -> Operation:  # fmt: skip
    """The operation that makes the version the definition of the next start again, with the secrets that the VM has
    now. base: the digest of what the caller saw, "" for what is there. Raises NotAllowed, NotFresh, DefinitionChanged,
    SecretGone, BadDefinition where libvirt's schema does not take it any more, and what request raises. Its name stays
    what it is."""
    if known := operations.asked_with(actor, kinds.RETURN, vm.pk, idempotency_key, number=version.number):
        return known
    found = to_return(actor, vm, version)
    require_all(actor, found.privileges, vm)
    if base and base != found.base:
        raise DefinitionChanged(name=vm.name)
    current = text_of(document_of(vm), "next")
    text = called_as_now(version.xml, current)
    if gone := ungrafted(current, text):
        raise SecretGone(name=vm.name, place=gone[0].place)
    judge(vm, current, text)
    params = kinds.Returned(version.number, found.base, list(found.privileges))
    return operations.request(kinds.RETURN, vm, actor=actor, params=params, idempotency_key=idempotency_key)


def needs_between(before: str, after: str) -> tuple[Need, ...]:
    """Where they differ, () also where they cannot be read."""
    try:
        return difference(before, after)
    except BadXML:
        return ()


def as_text(lines: tuple[Line, ...]) -> str:
    """The lines as a unified diff."""
    return "".join(f"{'' if line.how == '@' else line.how or ' '}{line.text}\n" for line in lines)


def diff_text(before: str, after: str) -> str:
    return as_text(lines_between(before, after))
