"""Shaping a definition: its parts in order, a lens for each property, devices that can be added, and edits as data."""

from vms.libvirtxml.drives import slow_bus
from vms.libvirtxml.shaping.edits import HIDDEN, Edit, Stale, as_live, digest, is_done, is_live, lens_of, shape
from vms.libvirtxml.shaping.lens import BadValue, Lens, Value
from vms.libvirtxml.shaping.machine import CPU_MODES
from vms.libvirtxml.shaping.made import DISK_BUSES, SORTS, name_of
from vms.libvirtxml.shaping.parts import DEVICES, MACHINE, Part, part, parts, twin

__all__ = [
    "CPU_MODES",
    "DEVICES",
    "DISK_BUSES",
    "HIDDEN",
    "MACHINE",
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
    "part",
    "parts",
    "shape",
    "slow_bus",
    "twin",
]
