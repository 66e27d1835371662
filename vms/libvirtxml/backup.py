"""A backup's document: which disks of a running domain are written where, as they are in one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml.builder import E

from vms.libvirtxml.document import parse, serialize


@dataclass(frozen=True)
class Target:
    """A new volume that is there already. block: it is a device of the host, else a file."""

    path: str
    format: str
    block: bool = False


def backup_document(targets: Mapping[str, Target]) -> str:
    """Of the disks that the live definition calls so; all others are left out."""
    return serialize(
        E.domainbackup(
            E.disks(
                *(
                    E.disk(
                        E.target(**{"dev" if target.block else "file": target.path}),
                        E.driver(type=target.format),
                        name=disk,
                        type="block" if target.block else "file",
                    )
                    for disk, target in targets.items()
                )
            ),
            mode="push",
        )
    )


def backup_targets(text: str) -> set[str]:
    """The paths that a backup writes to. BadXML as parse()."""
    found = parse(text).iterfind("disks/disk/target")
    return {path for target in found if (path := target.get("file") or target.get("dev"))}
