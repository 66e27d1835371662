"""Shaping a definition: its parts in order, a lens for each property, devices that can be added, and edits as data."""

from vms.libvirtxml.compose.system import NAMESPACE as OSINFO
from vms.libvirtxml.drives import slow_bus
from vms.libvirtxml.shaping.edits import HIDDEN, Edit, Stale, as_live, digest, is_done, is_live, lens_of, shape
from vms.libvirtxml.shaping.lens import BadValue, Lens, Value
from vms.libvirtxml.shaping.machine import CPU_MODES
from vms.libvirtxml.shaping.made import DISK_BUSES, SORTS, name_of
from vms.libvirtxml.shaping.parts import DEVICES, MACHINE, Part, part, parts, twin
from vms.libvirtxml.shaping.system import as_called as osinfo
from vms.libvirtxml.shaping.system import read_os

__all__ = [
    "CPU_MODES",
    "DEVICES",
    "DISK_BUSES",
    "HIDDEN",
    "MACHINE",
    "OSINFO",
    "SORTS",
    "BadValue",
    "Edit",
    "Lens",
    "Part",
    "Stale",
    "Value",
    "as_live",
    "digest",
    "is_done",
    "is_live",
    "lens_of",
    "name_of",
    "osinfo",
    "part",
    "parts",
    "read_os",
    "shape",
    "slow_bus",
    "twin",
]
