"""Folders and files of a host that an administrator names. A folder that is shared is shared with all in it."""

from __future__ import annotations

from typing import Final

from django.conf import settings

# What is the host itself (security: root by another way). Also what holds one of them, or lies in it.
DANGEROUS: Final = (
    "/etc", "/root", "/home", "/dev", "/proc", "/sys", "/run", "/boot", "/usr", "/bin", "/sbin", "/lib", "/lib64",
    "/var/run", "/var/spool", "/var/lib/libvirt/qemu", "/var/lib/kvmweb",
)  # fmt: skip
LONGEST: Final = 1024


def is_path(path: str) -> bool:
    """Whether it names one place from the root on, in one way: no "..", nothing that a page could not show."""
    parts = path.split("/")[1:]
    plain = path.startswith("/") and path.isprintable() and len(path) <= LONGEST
    return plain and (path == "/" or all(part not in ("", ".", "..") for part in parts))


def is_dangerous(path: str) -> bool:
    """Whether it is, holds or lies in a folder of the system, or what this dashboard keeps for itself."""
    bad_ones = (*DANGEROUS, str(settings.ENVIRONMENT.state.root))
    return path == "/" or any(path == bad or inside(path, bad) or inside(bad, path) for bad in bad_ones)


def inside(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")
