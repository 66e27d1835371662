"""Changing a run: the edits are judged on its document, then each is done by libvirt's call for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Final

import libvirt

from vms.errors import BadDocument, CdHeld, ChangedMeanwhile
from vms.libvirtxml import BadXML, DomainXML, Given
from vms.libvirtxml.shaping import (
    MACHINE,
    OSINFO,
    BadValue,
    Edit,
    Part,
    Stale,
    Value,
    lens_of,
    osinfo,
    part,
    parts,
    shape,
)
from vms.virt import judging

LIVE: Final = libvirt.VIR_DOMAIN_AFFECT_LIVE
METADATA: Final = {
    "title": libvirt.VIR_DOMAIN_METADATA_TITLE,
    "description": libvirt.VIR_DOMAIN_METADATA_DESCRIPTION,
}
EVENTS: Final = {
    "on_poweroff": libvirt.VIR_DOMAIN_LIFECYCLE_POWEROFF,
    "on_reboot": libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT,
    "on_crash": libvirt.VIR_DOMAIN_LIFECYCLE_CRASH,
}
ACTIONS: Final = {
    "destroy": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY,
    "restart": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_RESTART,
    "preserve": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_PRESERVE,
}
LIMITS: Final = {"bytes_sec": "total_bytes_sec", "iops_sec": "total_iops_sec"}


def edited(document: DomainXML, edits: Sequence[Edit]) -> None:
    """Do them in the document. Raises ChangedMeanwhile for one that was made for another, BadDocument for one that
    does not fit."""
    try:
        shape(document, edits)
    except Stale as stale:
        raise ChangedMeanwhile(place=stale.place) from None
    except BadValue as bad:
        raise BadDocument(str(bad)) from None


def reshape(handle: Any, edits: Sequence[Edit], allowed: frozenset[str], given: Given) -> None:
    """What edited() raises, NeedsMore, CdHeld, and what libvirt says."""
    try:
        live = DomainXML.parse(handle.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))
    except BadXML as error:
        raise BadDocument(str(error)) from None
    made = DomainXML(deepcopy(live.element))
    edited(made, edits)
    judging.judge(judging.apart(live.text, given), judging.apart(made.text, given), allowed)
    updated: set[str] = set()
    for edit in sorted(edits, key=comes_last):
        if edit["do"] == "add":
            handle.attachDeviceFlags(added(live, made), LIVE)
        elif edit["do"] == "remove":
            if gone := part(live, edit["part"]):
                handle.detachDeviceFlags(gone.text, LIVE)
        else:
            place, lens = lens_of(made, edit)
            if lens.live == "device":
                if place.key not in updated:
                    updated.add(place.key)
                    update(handle, place)
            else:
                CALLS[lens.live](handle, lens.name, place, edit["value"])


def comes_last(edit: Edit) -> bool:
    """QEMU starts nothing again that powers off while it ends what reboots, so what ends it is changed before."""
    return (edit.get("lens"), edit.get("value")) == ("on_poweroff", "restart")


def added(live: DomainXML, made: DomainXML) -> str:
    """The device that only the second document has."""
    [text] = [one.text for one in device_parts(made) if one.text not in {each.text for each in device_parts(live)}]
    return text


def device_parts(document: DomainXML) -> list[Part]:
    return [one for one in parts(document) if one.sort not in MACHINE]


def update(handle: Any, place: Part) -> None:
    try:
        handle.updateDeviceFlags(place.text, LIVE)
    except libvirt.libvirtError as error:
        # Of a drive, said where the tray did not open in time.
        if place.lens("medium") and error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED:
            raise CdHeld(str(error.get_error_message()), drive=place.key) from None
        raise


def set_metadata(handle: Any, name: str, place: Part, value: Value) -> None:
    if name == "os":
        handle.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, osinfo(place.element), "libosinfo", OSINFO, LIVE)
        return
    handle.setMetadata(METADATA[name], str(value) or None, None, None, LIVE)


def set_limit(handle: Any, name: str, place: Part, value: Value) -> None:
    handle.setBlockIoTune(place.key, {LIMITS[name]: int(value or 0)}, LIVE)


CALLS: Final[dict[str, Callable[[Any, str, Part, Value], object]]] = {
    "memory": lambda handle, name, place, value: handle.setMemoryFlags(value, LIVE),
    "cpus": lambda handle, name, place, value: handle.setVcpusFlags(value, LIVE),
    "metadata": set_metadata,
    "lifecycle": lambda handle, name, place, value: handle.setLifecycleAction(EVENTS[name], ACTIONS[str(value)], LIVE),
    "limits": set_limit,
    "period": lambda handle, name, place, value: handle.setMemoryStatsPeriod(int(value or 0), LIVE),
}
