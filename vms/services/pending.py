"""What waits for a VM's next start: the changes of its definition that a person asked for while it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as mark

from vms.libvirtxml import Change, Part, sure
from vms.models import Document, Placement

# What the elements are called; others are told by their names.
NOUNS: Final = {
    "domain": mark("The domain's type"),
    "title": mark("Title"),
    "description": mark("Description"),
    "memory": mark("Memory"),
    "vcpu": mark("vCPUs"),
    "cpu": mark("Processor"),
    "os": mark("Machine and firmware"),
    "boot": mark("What it starts from"),
    "features": mark("Features of the machine"),
    "clock": mark("Clock"),
    "cputune": mark("Processor shares and pinning"),
    "memtune": mark("Memory limits"),
    "blkiotune": mark("Disk shares"),
    "numatune": mark("Memory placement"),
    "memoryBacking": mark("How its memory is held"),
    "iothreads": mark("I/O threads"),
    "on_poweroff": mark("What happens at power-off"),
    "on_reboot": mark("What happens at a reboot"),
    "on_crash": mark("What happens at a crash"),
    "pm": mark("Sleep"),
    "metadata": mark("Metadata"),
    "devices/disk": mark("Disk"),
    "devices/interface": mark("Network card"),
    "devices/graphics": mark("Screen"),
    "devices/video": mark("Video card"),
    "devices/input": mark("Input"),
    "devices/sound": mark("Sound card"),
    "devices/serial": mark("Serial line"),
    "devices/console": mark("Console"),
    "devices/channel": mark("Channel"),
    "devices/controller": mark("Controller"),
    "devices/filesystem": mark("Folder"),
    "devices/hostdev": mark("Device of the host"),
    "devices/tpm": mark("TPM"),
    "devices/rng": mark("Random numbers"),
    "devices/watchdog": mark("Watchdog"),
    "devices/memballoon": mark("Memory balloon"),
    "devices/memory": mark("Memory module"),
    "devices/vsock": mark("vsock"),
    "devices/panic": mark("Panic device"),
    "devices/redirdev": mark("Redirected USB"),
}
HOW: Final = {"added": mark("added"), "removed": mark("removed"), "changed": mark("changed")}
# So much of a value is told in a sentence.
LONGEST: Final = 60


@dataclass(frozen=True)
class Waiting:
    """change: what differs. noun: what that is called, with its name. said: what becomes of it, in words."""

    change: Change
    noun: str
    said: str


def shown(
    pending: Sequence[Mapping[str, Any]], began: Mapping[str, str], settings: Mapping[str, str]
) -> list[Change]:  # fmt: skip
    """Of what a row keeps, that which a person asked for."""
    return [change for change in map(read, pending) if sure(change, began, settings)]


def read(kept: Mapping[str, Any]) -> Change:
    return Change(**{**kept, "parts": tuple(Part(**part) for part in kept["parts"])})


def waits(placement: Placement, document: Document | None) -> list[Waiting]:
    """What the VM's next start brings, [] while it is off."""
    if document is None or placement.run_id is None or not placement.present:
        return []
    found = shown(document.pending, document.began, document.settings)
    return [Waiting(change, noun(change), said(change)) for change in found]


def noun(change: Change) -> str:
    """ "Disk vda"; of what has no word, its place: "devices/hub"."""
    word = gettext(NOUNS[change.place]) if change.place in NOUNS else change.place
    return f"{word} {change.which}" if change.which else word


def said(change: Change) -> str:
    """ "4 GiB → 8 GiB", "added"; of several parts, what differs."""
    parts = [part for part in change.parts if len(part.was) <= LONGEST and len(part.now) <= LONGEST]
    if change.place == "memory":
        whole = next((part for part in parts if part.place.startswith("memory")), None)
        parts = [whole or part for part in parts][:1]
        if parts and parts[0].was.isdecimal() and parts[0].now.isdecimal():
            return f"{memory(parts[0].was)} → {memory(parts[0].now)}"
    if change.how != "changed" or len(parts) != 1 or len(change.parts) > 2 or change.place == "boot":
        return gettext(HOW[change.how])
    [part] = parts
    label = "" if not part.place or part.place == change.place else f"{part.place.replace('/@', ' ').lstrip('@')}: "
    return f"{label}{part.was or gettext('nothing')} → {part.now or gettext('nothing')}"


def memory(kib: str) -> str:
    number = int(kib)
    if number >= 1 << 20:
        return gettext("{n} GiB").format(n=f"{number / (1 << 20):.1f}".removesuffix(".0"))
    return gettext("{n} MiB").format(n=round(number / 1024))
