"""Changes of a VM's definition."""

from __future__ import annotations

from vms.kinds.base import Kind
from vms.kinds.words import mark

ADD_SCREEN = Kind(
    name="vm.add-screen",
    title=mark("Add a VNC screen"),
    done=mark("given a VNC screen"),
    target="vm",
    privileges=("vm.device",),
    silence_seconds=20,
    harm=1,
)

KINDS = (ADD_SCREEN,)
