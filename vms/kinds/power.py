"""Power: libvirt's life-cycle verbs in the user's words."""

from __future__ import annotations

from vms.kinds.base import Kind
from vms.kinds.words import mark

RUNS = frozenset({"running", "shutting_down"})
OFF = frozenset({"shut_off", "crashed", "saved"})
ALIVE = RUNS | {"paused", "pmsuspended", "crashed"}

START = Kind(
    name="vm.start",
    title=mark("Start"),
    done=mark("started"),
    target="vm",
    privileges=("vm.power",),
    states=OFF,
    menu=True,
)
START_WITH_NETWORKS = Kind(
    name="vm.start-with-networks",
    title=mark("Start its networks and try again"),
    done=mark("started"),
    target="vm",
    privileges=("vm.power", "host.maintain"),
    states=OFF,
)
RESUME = Kind(
    name="vm.resume",
    title=mark("Resume"),
    done=mark("resumed"),
    target="vm",
    privileges=("vm.power",),
    states=frozenset({"paused", "pmsuspended"}),
    menu=True,
    harm=1,
)
PAUSE = Kind(
    name="vm.pause",
    title=mark("Pause"),
    done=mark("paused"),
    target="vm",
    privileges=("vm.power",),
    states=RUNS,
    menu=True,
    harm=2,
)
REBOOT = Kind(
    name="vm.reboot",
    title=mark("Reboot"),
    done=mark("rebooted"),
    target="vm",
    privileges=("vm.power",),
    states=RUNS,
    supersedes=frozenset({"vm.shutdown", "vm.reboot"}),
    waits=True,
    cancellable=True,
    menu=True,
    harm=3,
)
SHUTDOWN = Kind(
    name="vm.shutdown",
    title=mark("Shut down"),
    done=mark("shut down"),
    target="vm",
    privileges=("vm.power",),
    states=RUNS,
    supersedes=frozenset({"vm.shutdown", "vm.reboot"}),
    waits=True,
    cancellable=True,
    menu=True,
    harm=4,
)
RESET = Kind(
    name="vm.reset",
    title=mark("Reset"),
    done=mark("reset"),
    target="vm",
    privileges=("vm.force",),
    states=ALIVE,
    supersedes=frozenset({"vm.shutdown", "vm.reboot"}),
    menu=True,
    harm=5,
    ask=True,
)
FORCE_OFF = Kind(
    name="vm.force-off",
    title=mark("Force off"),
    done=mark("forced off"),
    target="vm",
    privileges=("vm.force",),
    states=ALIVE,
    supersedes=frozenset({"vm.shutdown", "vm.reboot", "vm.resume"}),
    menu=True,
    harm=6,
    ask=True,
)

KINDS = (START, START_WITH_NETWORKS, RESUME, PAUSE, REBOOT, SHUTDOWN, RESET, FORCE_OFF)
