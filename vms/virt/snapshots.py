"""Snapshots on one host: what libvirt tells of them, and the verbs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import libvirt

from vms.libvirtxml import BadXML, snapshot_sources, snapshot_told
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
