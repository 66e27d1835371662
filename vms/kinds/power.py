"""Power: libvirt's life-cycle verbs in the user's words."""

from __future__ import annotations

from dataclasses import dataclass

from vms.errors import BadParameters
from vms.kinds.base import Autostart, Kind, Params
from vms.kinds.keys import fits
from vms.kinds.words import mark

RUNS = frozenset({"running", "shutting_down"})
OFF = frozenset({"shut_off", "crashed", "saved"})
ALIVE = RUNS | {"paused", "pmsuspended", "crashed"}
SAVED = frozenset({"saved"})
# What waits for the guest.
GUESTS = frozenset({"vm.shutdown", "vm.reboot", "vm.restart"})
NOT_SAVED = ALIVE | {"shut_off", "unknown", "gone"}

START = Kind(
    name="vm.start",
    title=mark("Start"),
    done=mark("started"),
    target="vm",
    privileges=("vm.power",),
    states=OFF,
    menu=True,
    icon="play",
    hidden=SAVED,
    starts=True,
)
RESTORE = Kind(
    name="vm.restore",
    title=mark("Restore"),
    done=mark("restored"),
    target="vm",
    privileges=("vm.power",),
    queue="slow",
    states=SAVED,
    silence_seconds=600,
    menu=True,
    icon="play",
    says=mark("goes on where it was saved"),
    hidden=NOT_SAVED,
    starts=True,
)
START_PAUSED = Kind(
    name="vm.start-paused",
    title=mark("Start paused"),
    done=mark("started paused"),
    target="vm",
    privileges=("vm.power",),
    states=OFF,
    menu=True,
    icon="pause",
    says=mark("stands still before its first step"),
    variant=True,
    starts=True,
)
BOOT_CD = Kind(
    name="vm.boot-cd",
    title=mark("Start from its CD"),
    done=mark("started from its CD"),
    target="vm",
    privileges=("vm.power", "vm.boot"),
    states=frozenset({"shut_off", "crashed"}),
    menu=True,
    icon="disc",
    says=mark("this once, until it is off; then as before"),
    variant=True,
    starts=True,
)
BOOT_NETWORK = Kind(
    name="vm.boot-network",
    title=mark("Start from the network"),
    done=mark("started from the network"),
    target="vm",
    privileges=("vm.power", "vm.boot"),
    states=frozenset({"shut_off", "crashed"}),
    menu=True,
    icon="network",
    says=mark("this once, until it is off; then as before"),
    variant=True,
    starts=True,
)
START_WITH_NETWORKS = Kind(
    name="vm.start-with-networks",
    title=mark("Start its networks and try again"),
    done=mark("started"),
    target="vm",
    privileges=("vm.power", "host.maintain"),
    states=OFF,
    starts=True,
)
RESUME = Kind(
    name="vm.resume",
    title=mark("Resume"),
    done=mark("resumed"),
    target="vm",
    privileges=("vm.power",),
    states=frozenset({"paused", "pmsuspended"}),
    menu=True,
    icon="play",
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
    icon="pause",
    harm=2,
)
SAVE = Kind(
    name="vm.save",
    title=mark("Save"),
    done=mark("saved"),
    target="vm",
    privileges=("vm.power",),
    queue="slow",
    states=RUNS | {"paused"},
    supersedes=GUESTS,
    cancellable=True,
    menu=True,
    icon="save",
    harm=3,
    says=mark("its memory goes to the host's disk, then it is off"),
    kept=True,
)
REBOOT = Kind(
    name="vm.reboot",
    title=mark("Reboot"),
    done=mark("rebooted"),
    target="vm",
    privileges=("vm.power",),
    states=RUNS,
    supersedes=GUESTS,
    waits=True,
    cancellable=True,
    menu=True,
    icon="reboot",
    harm=4,
)
SHUTDOWN = Kind(
    name="vm.shutdown",
    title=mark("Shut down"),
    done=mark("shut down"),
    target="vm",
    privileges=("vm.power",),
    states=RUNS,
    supersedes=GUESTS,
    waits=True,
    cancellable=True,
    menu=True,
    harm=5,
    of_template="too",
)
RESTART = Kind(
    name="vm.restart",
    title=mark("Restart"),
    done=mark("shut down and started anew"),
    target="vm",
    privileges=("vm.power",),
    states=RUNS,
    supersedes=GUESTS,
    waits=True,
    cancellable=True,
    harm=5,
    kept=True,
)
NMI = Kind(
    name="vm.nmi",
    title=mark("Send an NMI"),
    done=mark("sent an NMI"),
    target="vm",
    privileges=("vm.force",),
    states=RUNS,
    menu=True,
    icon="nmi",
    harm=6,
    ask=True,
    says=mark("wakes a system that hangs, mostly into its crash dump"),
)
RESET = Kind(
    name="vm.reset",
    title=mark("Reset"),
    done=mark("reset"),
    target="vm",
    privileges=("vm.force",),
    states=ALIVE,
    supersedes=GUESTS,
    menu=True,
    icon="reset",
    harm=7,
    ask=True,
)
FORCE_OFF = Kind(
    name="vm.force-off",
    title=mark("Force off"),
    done=mark("forced off"),
    target="vm",
    privileges=("vm.force",),
    states=ALIVE,
    supersedes=GUESTS | {"vm.resume", "vm.save"},
    menu=True,
    icon="force-off",
    harm=8,
    ask=True,
    of_template="too",
    spares=True,
)
DISCARD_SAVED = Kind(
    name="vm.discard-saved",
    title=mark("Discard the saved state"),
    done=mark("rid of its saved state"),
    target="vm",
    privileges=("vm.revert",),
    states=SAVED,
    menu=True,
    icon="discard",
    harm=9,
    ask=True,
    hidden=NOT_SAVED,
)


@dataclass(frozen=True)
class Keys(Params):
    """keys: names of vms.kinds.keys joined by "+", held together: "Control+Alt+Delete"."""

    keys: str

    def __post_init__(self) -> None:
        if not fits(self.keys):
            raise BadParameters(field="keys")


SEND_KEY = Kind(
    name="vm.send-key",
    title=mark("Send keys"),
    done=mark("sent keys"),
    target="vm",
    privileges=("vm.console",),
    params=Keys,
    states=RUNS,
    lock=False,
    silence_seconds=20,
    harm=5,
)


AUTOSTART = Kind(
    name="vm.autostart",
    title=mark("Start with the host"),
    done=mark("set to start with the host, or not to"),
    target="vm",
    privileges=("vm.force",),
    params=Autostart,
    silence_seconds=20,
    kept=True,
)

KINDS = (
    START, RESTORE, START_PAUSED, BOOT_CD, BOOT_NETWORK, START_WITH_NETWORKS, RESUME, PAUSE, SAVE, REBOOT, SHUTDOWN,
    RESTART, NMI, RESET, FORCE_OFF, DISCARD_SAVED, SEND_KEY, AUTOSTART,
)  # fmt: skip
