"""Folders that are the host itself: who keeps disks in one of them, or is shared one, is root there."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import Final

SYSTEM: Final = (
    "/etc", "/root", "/home", "/dev", "/proc", "/sys", "/run", "/boot", "/usr", "/bin", "/sbin", "/lib", "/lib64",
    "/var/run", "/var/spool", "/var/lib/libvirt/qemu", "/var/lib/kvmweb",
)  # fmt: skip


def is_systems(path: str, own: Collection[str] = ()) -> bool:
    """Whether it is, holds or lies in a folder of the system, or one of own, which are as little to be given away."""
    real = posixpath.normpath("/" + path.lstrip("/"))
    return real == "/" or any(real == bad or inside(real, bad) or inside(bad, real) for bad in (*SYSTEM, *own))


def inside(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")
