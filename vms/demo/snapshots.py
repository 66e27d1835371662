"""The demo's snapshots: a small tree of one VM that is off, where it is now among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.errors import VirtError
from vms.libvirtxml import DomainXML, ground, snapshot_document
from vms.virt import Domain, DomainInfo


@dataclass(frozen=True)
class Moment:
    """A snapshot to be taken. parent: the name of the one it comes from, "" for none."""

    name: str
    parent: str
    description: str


# Each after its parent. All keep the same disk: nothing ran in between.
MOMENTS: Final = (
    Moment("installed", "", "Demo: the system, and nothing else yet."),
    Moment("configured", "installed", "Demo: the compilers are there. What is tried starts here."),
    Moment("first-try", "configured", "Demo: an update that was not kept."),
    Moment("second-try", "configured", "Demo: another one. The VM is here."),
)
NAMES: Final = frozenset(moment.name for moment in MOMENTS)


def make(domain: Domain) -> int:
    """How many were taken: all, where it is off and has none but some of these. Those are taken anew, because going
    back to one would cost what was written since. Raises VirtError where its host refuses."""
    info = domain.info()
    there = set(domain.snapshot_names())
    if info.state != "shut_off" or info.has_managed_save or not there < NAMES:
        return 0
    for name in there:
        domain.drop_snapshot(name)
    try:
        for moment in MOMENTS:
            take(domain, moment, info)
    except VirtError:
        for name in NAMES.intersection(domain.snapshot_names()):
            domain.drop_snapshot(name)
        raise
    return len(MOMENTS)


def take(domain: Domain, moment: Moment, info: DomainInfo) -> None:
    """One, as a child of its parent; all that is on the disk is on that one's too."""
    if moment.parent and domain.current_snapshot() != moment.parent:
        domain.revert(moment.parent, allowed=frozenset())
    disks = ground(DomainXML.parse(info.next_boot_xml)).disks
    hows = {disk.target: "internal" if disk.writable else "no" for disk in disks}
    document = snapshot_document(moment.name, moment.description, hows, {}, memory=False)
    domain.take_snapshot(document, disks_only=False, quiesce=False)
