"""Moving a VM to another host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

MODES: Final = ("live", "paused", "offline")
ENDS: Final = ("cancel", "pause", "postcopy")


@dataclass(frozen=True)
class Migrate(Params):
    """host: the id of where it goes. mode: "live", "paused" (it stands still meanwhile), "offline" (it is off).
    copy_storage: its disks that the host does not reach are copied into the pool of that id there, 0 for none.
    postcopy: it may run there before all of its memory has come. bandwidth_mib: MiB/s at most, 0 for as fast as it
    goes. timeout_s: after so many seconds on_timeout comes to pass, "cancel", "pause" or "postcopy"; 0 for never.
    disks: what is copied, each {"target", "volume": id, "name", "format", "size_bytes"}; told by services.migration."""

    host: int
    mode: str = "live"
    copy_storage: bool = False
    pool: int = 0
    postcopy: bool = False
    bandwidth_mib: int = 0
    timeout_s: int = 0
    on_timeout: str = "cancel"
    disks: list = field(default_factory=list)  # type: ignore[type-arg]


MIGRATE: Final = Kind(
    name="vm.migrate",
    title=mark("Move to another host"),
    done=mark("moved to another host"),
    target="vm",
    privileges=("vm.migrate",),
    params=Migrate,
    queue="slow",
    states=frozenset({"running", "paused", "shut_off", "crashed"}),
    cancellable=True,
    silence_seconds=120,
    harm=1,
    kept=True,
    apart=True,
    takes=frozenset({"disk_bytes"}),
)

KINDS = (MIGRATE,)
