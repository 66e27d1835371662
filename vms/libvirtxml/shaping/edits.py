"""Edits as data: what is to be otherwise in a definition, and what it was when somebody looked.

{"do": "set", "part": "vda", "lens": "cache", "was": "", "value": "none"}
    with "becomes": the part's key afterwards, where that is another
{"do": "add", "sort": "rng", "said": {...}}
    a password is never in it: value is a stand-in, or "" for none
{"do": "remove", "part": "net1", "was": the digest of the device, without its secrets}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from lxml import etree

from vms.libvirtxml.difference.canonical import canonical
from vms.libvirtxml.difference.given import plain
from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.mask import masked
from vms.libvirtxml.shaping import machine, made
from vms.libvirtxml.shaping.keys import is_serial
from vms.libvirtxml.shaping.lens import BadValue, Lens
from vms.libvirtxml.shaping.made import SORTS
from vms.libvirtxml.shaping.parts import Part, part, twin
from vms.libvirtxml.shaping.tree import remove

Edit = Mapping[str, Any]
# Such devices a running VM lets go. A disk only on these buses.
GO_LIVE: Final = frozenset({"disk", "interface", "rng", "watchdog", "channel", "redirdev", "hostdev", "vsock"})
# What is compared with nothing: it is in no document but the host's.
HIDDEN: Final = "password"
LIVE_BUSES: Final = frozenset({"virtio", "scsi", "usb"})


class Stale(ValueError):
    """What is to be changed is not there, or is another thing by now; place: where."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


def digest(document: DomainXML, key: str) -> str:
    """Of a device as it is told without secrets; "" for one that is not there."""
    found = part(DomainXML(masked(document.text)), key)
    return sha256(canonical(found.element, ("devices", found.sort)).digest).hexdigest()[:32] if found else ""


def shape(document: DomainXML, edits: Iterable[Edit]) -> None:
    """Do them all. Raises Stale for one of another document than this, BadValue for one that does not fit."""
    edits = list(edits)
    # Before anything is written: what one writes another may read.
    places = [lens_of(document, edit) if edit["do"] == "set" else None for edit in edits]
    for edit, place in zip(edits, places, strict=True):
        if place and place[1].form != HIDDEN and place[1].read(place[0].element) != edit["was"]:
            raise Stale(f"{edit['part']}/{edit['lens']}")
    for edit, place in zip(edits, places, strict=True):
        if edit["do"] == "add":
            made.add(document, edit["sort"], edit["said"])
        elif edit["do"] == "remove":
            found = part(document, edit["part"])
            if found is None or not found.can_go or digest(document, edit["part"]) != edit["was"]:
                raise Stale(edit["part"])
            take_out(document, found)
        elif place:
            place[1].write(place[0].element, place[1].check(edit["value"]))
    machine.check(document.element, {edit["lens"] for edit in edits if edit["do"] == "set"})


def take_out(document: DomainXML, found: Part) -> None:
    """With the console that is the first serial line said again: libvirt would make that anew out of it."""
    first = document.element.find("devices/console")
    if found.element is document.element.find("devices/serial") and first is not None and is_serial(first):
        remove(first)
    remove(found.element)


def lens_of(document: DomainXML, edit: Edit) -> tuple[Part, Lens]:
    """Raises Stale where the document has no such part, or that no such property."""
    found = part(document, edit["part"])
    lens = found.lens(edit["lens"]) if found else None
    if found is None or lens is None:
        raise Stale(f"{edit['part']}/{edit['lens']}")
    return found, lens


def is_live(document: DomainXML, edit: Edit) -> bool:
    """Whether a run of that definition gets it by a call."""
    if edit["do"] == "add":
        said = edit["said"]
        return SORTS[edit["sort"]].live and (edit["sort"] != "disk" or said["bus"] in LIVE_BUSES)
    found = part(document, edit["part"])
    if found is None:
        return False
    if edit["do"] == "remove":
        is_fixed = found.sort == "disk" and (
            found.about.get("bus") not in LIVE_BUSES or found.about.get("device") != "disk"
        )
        return found.sort in GO_LIVE and not is_fixed
    lens = found.lens(edit["lens"])
    return bool(lens and lens.live and (lens.form != HIDDEN or edit["value"]))


def as_live(live: DomainXML, document: DomainXML, edit: Edit) -> Edit | None:
    """The edit of the next start's definition as one of the run's; None where that has no such part, has the value
    already, or cannot have it while it runs."""
    if edit["do"] == "add":
        return edit
    of = part(document, edit["part"])
    there = twin(live, of) if of else None
    if there is None:
        return None
    if edit["do"] == "remove":
        return {**edit, "part": there.key, "was": digest(live, there.key)}
    lens = there.lens(edit["lens"])
    if lens is None:
        return None
    if lens.form == HIDDEN:
        # QEMU begins to ask for one only at a start, and libvirt tells it nothing of one that goes.
        return {**edit, "part": there.key} if lens.read(there.element) else None
    if lens.read(there.element) == edit["value"]:
        return None
    if lens.live in ("memory", "cpus"):
        most = there.lens(f"{lens.name}_max")
        if most is None or int(edit["value"]) > int(most.read(there.element) or 0):
            return None
    return {**edit, "part": there.key, "was": lens.read(there.element)}


def is_done(document: DomainXML, edit: Edit) -> bool:
    """Whether the document is as the edit wants it."""
    if edit["do"] == "set":
        found = part(document, edit.get("becomes") or edit["part"])
        lens = found.lens(edit["lens"]) if found else None
        value = lens.read(found.element) if found and lens else None
        # A name without a version is another's, which the host puts in its place.
        is_named = lens is not None and lens.name == "machine" and machine.chipset(str(value)) == edit["value"]
        return bool(found and lens and (value == edit["value"] or is_named))
    if edit["do"] == "remove":
        return bool(digest(document, edit["part"]) != edit["was"])
    said = edit["said"]
    if edit["sort"] == "disk":
        return any(disk.source == f"{said['pool']}/{said['volume']}" for disk in document.disks)
    if edit["sort"] == "cdrom":
        return document.cd(str(said["target"])) is not None
    if edit["sort"] == "card":
        return said["mac"] in document.macs
    if edit["sort"] in ("hostdev", "folder"):
        wished = plain(SORTS[edit["sort"]].make(DomainXML(etree.Element("domain")), said))
        return any(plain(one) == wished for one in document.element.iterfind(f"devices/{SORTS[edit['sort']].tag}"))
    if edit["sort"] == "serial":
        return len(document.element.findall("devices/serial")) >= int(said["number"])
    return bool(SORTS[edit["sort"]].once(document))


__all__ = ["BadValue", "Edit", "Stale", "as_live", "digest", "is_done", "is_live", "lens_of", "shape"]
