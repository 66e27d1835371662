"""Folders and files of a host that an administrator names. A folder that is shared is shared with all in it."""

from __future__ import annotations

from typing import Final

from django.conf import settings

from vms.libvirtxml import is_systems

LONGEST: Final = 1024


def is_path(path: str) -> bool:
    """Whether it names one place from the root on, in one way: no "..", nothing that a page could not show."""
    parts = path.split("/")[1:]
    plain = path.startswith("/") and path.isprintable() and len(path) <= LONGEST
    return plain and (path == "/" or all(part not in ("", ".", "..") for part in parts))


def is_dangerous(path: str) -> bool:
    """Whether it is, holds or lies in a folder of the system, or what this dashboard keeps for itself."""
    return is_systems(path, [str(settings.ENVIRONMENT.state.root)])
