"""Snapshots on one host: what libvirt tells of them, and the verbs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import libvirt

from vms.libvirtxml import BadXML, Given, snapshot_otherwise, snapshot_sources, snapshot_told
from vms.virt import judging
from vms.virt.optional import listed, optional
from vms.virt.values import SnapshotInfo


def of(handle: Any) -> tuple[SnapshotInfo, ...]:
    """Those that its host keeps of a domain, by name; none of one whose document is none."""
    handles = listed(lambda: handle.listAllSnapshots(0))
    if not handles:
        return ()
    current = optional(lambda: str(handle.snapshotCurrent(0).getName()), "")
    found = []
    for one in handles:
        with suppress(BadXML, libvirt.libvirtError):
            text, name = one.getXMLDesc(0), one.getName()
            sources = tuple(tuple(source) for source in snapshot_sources(text))
            found.append(SnapshotInfo(name, sources, snapshot_told(text), name == current))
    return tuple(sorted(found, key=lambda one: one.name))


def take(handle: Any, document: str, *, disks_only: bool, quiesce: bool) -> None:
    """Keep this moment. disks_only: without the state of the run. quiesce: the guest's agent holds its file systems
    still meanwhile."""
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    if disks_only:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    if quiesce:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE
    judging.take_snapshot(handle, document, flags)


def revert(handle: Any, name: str, *, allowed: frozenset[str], given: Given) -> None:
    """Go back to it; what the domain does now ends. Raises NeedsMore where what it brings needs a privilege that is not
    among those allowed."""
    # A run with other devices than then begins anew, which libvirt does only where it is told that this is known.
    judging.revert(handle, name, allowed, given, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)


def drop(handle: Any, name: str) -> None:
    """Let it go; layers are merged into what they lie over."""
    handle.snapshotLookupByName(name).delete(0)


def describe(handle: Any, name: str, *, to: str, description: str) -> None:
    """Call it so, and describe it so. What came from it comes from it still."""
    one = handle.snapshotLookupByName(name)
    current = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT if one.isCurrent() else 0
    judging.describe_snapshot(
        handle, name, lambda text: snapshot_otherwise(text, name=to, description=description), current
    )
    if to == name:
        return
    for child in one.listAllChildren(0):
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT if child.isCurrent() else 0
        judging.describe_snapshot(handle, child.getName(), lambda text: snapshot_otherwise(text, parent=to), flags)
    handle.snapshotLookupByName(name).delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)


def current(handle: Any) -> str:
    """The name of the one that the domain came from last, "" for none."""
    return str(handle.snapshotCurrent(0).getName()) if handle.hasCurrentSnapshot(0) else ""


def names(handle: Any) -> list[str]:
    """Of all of them."""
    return sorted(handle.snapshotListNames(0))


def is_busy(handle: Any) -> bool:
    """Whether its host is at work on it, of which nobody needs to have asked here."""
    try:
        return bool(handle.isActive()) and handle.controlInfo(0)[0] != libvirt.VIR_DOMAIN_CONTROL_OK
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_SUPPORT):
            raise
        return False
