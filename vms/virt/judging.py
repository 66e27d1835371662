"""The functions that hand a domain's XML to libvirt: each compares it with what is there, and refuses what the
privileges do not cover. Beside them only vms.virt.shaping does, for a run whose whole document it had judged here.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

import libvirt
from lxml import etree

from vms.errors import BadDocument, DefinitionStrayed, InvalidState, NeedsMore, StrayedLeft
from vms.libvirtxml import (
    BadXML,
    DomainXML,
    Given,
    comes_back,
    difference,
    parse,
    snapshot_definitions,
    strayed,
    uncovered,
    without,
)

VALIDATED: Final = libvirt.VIR_DOMAIN_DEFINE_VALIDATE
NOTHING: Final = Given()
ANSWER: Final = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE


def judge(before: str | None, after: str, allowed: frozenset[str]) -> None:
    """Nothing, or NeedsMore names the gravest difference that the privileges do not cover; BadDocument for a text
    that is no definition. Both documents with their secrets; before is None where there is nothing yet."""
    try:
        missing = uncovered(difference(before, after), allowed)
    except BadXML as error:
        raise BadDocument(str(error)) from None
    if missing:
        raise NeedsMore(privilege=missing[0].privilege, place=missing[0].place)


def define(
    connection: Any, before: str | None, after: str, allowed: frozenset[str], given: Given = NOTHING, *,
    composed: bool = False,
) -> Any:  # fmt: skip
    """The handle of the domain, defined with what was judged; what the host makes of it is judged again, and undone
    where it needs vm.define and nobody has asked for that with the right to. given: what of the host it may use, and
    what of that it gives up. composed: of our own making from end to end, so that the host need not look for what its
    schema does not know. InvalidState where nothing is to be there yet, and something of its name or UUID is."""
    there = None if before is None else apart(before, given)
    judge(there, apart(after, given), allowed)
    if before is None:
        refuse_to_replace(connection, DomainXML.parse(after))
    handle = connection.defineXMLFlags(after, 0 if composed else VALIDATED)
    try:
        found = uncovered(strayed(there, apart(handle.XMLDesc(ANSWER), given)), allowed)
    except BadXML as error:
        raise BadDocument(str(error)) from None
    if not found:
        return handle
    try:
        if before is None:
            handle.undefine()
        else:
            connection.defineXMLFlags(before, VALIDATED)
    except libvirt.libvirtError as error:
        raise StrayedLeft(str(error), place=found[0].place) from None
    raise DefinitionStrayed(place=found[0].place)


def take_snapshot(handle: Any, document: str, flags: int) -> None:
    """Keep the moment as the document says, which brings no definition of a domain: libvirt writes that by itself."""
    if any(bring(document)):
        raise BadDocument("a snapshot that is taken brings no definition")
    handle.snapshotCreateXML(document, flags)


def describe_snapshot(handle: Any, name: str, edit: Callable[[str], str], flags: int) -> None:
    """Let the host's own document of the snapshot be as the edit makes it, which leaves the definitions in it."""
    before = handle.snapshotLookupByName(name).getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE)
    after = edit(before)
    if bring(after) != bring(before):
        raise BadDocument("the definitions of a snapshot stay")
    handle.snapshotCreateXML(after, flags | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)


def revert(handle: Any, name: str, allowed: frozenset[str], given: Given, flags: int) -> None:
    """Go back to the snapshot, once what it brings is judged by what is there now; given: the domain's own volumes."""
    snapshot = handle.snapshotLookupByName(name)
    run, start = bring(snapshot.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE))
    if not start:
        raise BadDocument("the snapshot has no definition")
    now = [handle.XMLDesc(ANSWER)]
    if handle.isActive():
        now.append(handle.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))
    try:
        missing = uncovered(comes_back(now, run, start, given), allowed)
    except BadXML as error:
        raise BadDocument(str(error)) from None
    if missing:
        raise NeedsMore(privilege=missing[0].privilege, place=missing[0].place)
    handle.revertToSnapshot(snapshot, flags)


def bring(text: str) -> tuple[str, str]:
    """The definitions in a snapshot's document."""
    try:
        return snapshot_definitions(text)
    except BadXML as error:
        raise BadDocument(str(error)) from None


def apart(text: str, given: Given) -> str:
    """The text but for what is given."""
    try:
        return text if given == NOTHING else without(text, given)
    except BadXML as error:
        raise BadDocument(str(error)) from None


def refuse_to_replace(connection: Any, document: DomainXML) -> None:
    """InvalidState where the document would take the place of another."""
    for look, word in ((connection.lookupByName, document.name), (connection.lookupByUUIDString, document.uuid)):
        if word is None:
            continue
        try:
            there = look(word)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
        else:
            raise InvalidState(f"{there.name()} is there already")


def update(handle: Any, device: str, allowed: frozenset[str]) -> None:
    """Change a device of this run; judged as the live document with that device in the place of the one that libvirt
    takes it for, which is the first of its name and type, of disks and drives the one of its target."""
    try:
        wanted = parse(device)
        live = DomainXML.parse(handle.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))
    except BadXML as error:
        raise BadDocument(str(error)) from None
    judge(live.text, put_in(live, wanted).text, allowed)
    handle.updateDeviceFlags(device, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def put_in(live: DomainXML, device: etree._Element) -> DomainXML:
    """The document with the device in that place, or beside the others where there is none."""
    made = DomainXML(deepcopy(live.element))
    same = (there for there in made.devices.findall(str(device.tag)) if place(there) == place(device))
    there = next(same, None)
    if there is None:
        made.devices.append(device)
    else:
        made.devices.replace(there, device)
    return made


def place(device: etree._Element) -> str | None:
    """By what libvirt knows it among those of its name."""
    target = device.find("target") if device.tag == "disk" else None
    return target.get("dev") if target is not None else device.get("type")
