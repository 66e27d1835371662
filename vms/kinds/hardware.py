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

LISTEN_LOCALLY = Kind(
    name="vm.listen-locally",
    title=mark("Let its screen listen on its host alone"),
    done=mark("given a screen that listens on its host alone"),
    target="vm",
    privileges=("vm.device",),
    silence_seconds=20,
    harm=1,
)

LISTEN_ON_NETWORK = Kind(
    name="vm.listen-on-network",
    title=mark("Let its screen listen on the network"),
    done=mark("given a screen that listens on the network"),
    target="vm",
    privileges=("vm.device", "vm.define"),
    silence_seconds=20,
    harm=1,
)

ADD_SERIAL = Kind(
    name="vm.add-serial",
    title=mark("Add a serial console"),
    done=mark("given a serial console"),
    target="vm",
    privileges=("vm.device",),
    silence_seconds=20,
    harm=1,
)

KINDS = (ADD_SCREEN, LISTEN_LOCALLY, LISTEN_ON_NETWORK, ADD_SERIAL)
