"""The CD drives of a VM: what is in them, and what could be."""

from __future__ import annotations

from dataclasses import dataclass

from vms.errors import BadFields, WrongState
from vms.kinds.shaping import SHAPE
from vms.libvirtxml.shaping import twin
from vms.models import Operation, VirtualMachine
from vms.permissions import Actor, Who
from vms.services import shaped_with, shaping
from vms.services.shaping import Wish

# What changing a CD takes: its words tell what the definition holds.
PRIVILEGES = frozenset({*SHAPE.privileges, "vm.media"})


@dataclass(frozen=True)
class Drive:
    """name: in the definition, "sda". now: "pool/volume" in this run, of one that is off in its next start; "" for an
    empty one."""

    name: str
    now: str


@dataclass(frozen=True)
class Drives:
    """media: (image id, name) of what could be put into one of them."""

    drives: tuple[Drive, ...] = ()
    media: tuple[tuple[int, str], ...] = ()


def of(who: Who, vm: VirtualMachine) -> Drives:
    """Of the next start's definition; none where nothing is known of that."""
    try:
        there = shaping.machine(vm)
    except WrongState:
        return Drives()
    found = []
    for one in there.parts:
        if one.sort != "disk" or one.about.get("device") != "cdrom":
            continue
        run = twin(there.live, one) if there.live else None
        found.append(Drive(one.key, (run or one).about.get("source", "")))
    return Drives(tuple(found), tuple(shaped_with.media_for(who, there.host)) if found else ())


def put_in(actor: Actor, vm: VirtualMachine, drive: str, image: str) -> Operation:
    """The operation that puts the image into the drive, now and for the next start. Raises BadFields, and what
    shaping.ask() raises."""
    if not (image.isascii() and image.isdigit() and len(image) < 10):
        raise BadFields({"medium": "choice"})
    return shaping.ask(actor, vm, Wish(sets={drive: {"medium": int(image)}}))
