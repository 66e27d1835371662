"""What somebody should know before a VM is cloned."""

from __future__ import annotations

from collections.abc import Iterator

from vms.models import (
    Placement,
)  # fmt: skip
from vms.permissions import (
    Actor,
)
from vms.services import placing
from vms.services.clone_rows import rows
from vms.services.clone_wishes import ClonePlan, CloneWish
from vms.services.wishes import GIB, Warning


def warnings(
    actor: Actor, made: ClonePlan, placement: Placement, wish: CloneWish
) -> Iterator[Warning]:  # fmt: skip
    """What should be known before."""
    params, source = made.params, made.document
    new = [disk for disk in params.disks if "pool" in disk]
    if made.snapshot and new and not made.snapshot.has_memory and made.snapshot.state not in ("shut_off", "crashed"):
        yield Warning("clone_then", {"name": made.snapshot.name})
    if made.snapshot and made.snapshot.has_memory:
        yield Warning("clone_memory", {"name": made.snapshot.name})
    if params.running and new:
        yield Warning("clone_runs", {"name": made.source.name})
    if placement.state == "saved" and new and not made.snapshot:
        yield Warning("clone_saved", {"name": made.source.name})
    if any(disk["linked"] for disk in new):
        yield Warning("clone_frozen", {"name": made.source.name})
    if new:
        yield Warning("clone_same", {"name": made.source.name})
    known = {
        each.target
        for each in rows(actor, made.source, made.snapshot)
        if each.ways == ("none",) and not each.drive.medium
    }
    if known:
        yield Warning("clone_left", {"disks": ", ".join(sorted(known))})
    if gone := sum(not card for card in params.cards):
        yield Warning("clone_card", {"cards": gone})
    if source.firmware == "efi" or source.loader:
        yield Warning("clone_variables", {})
    if source.element.find("devices/tpm") is not None:
        yield Warning("clone_tpm", {})
    sums: dict[int, int] = {}
    for disk in new:
        sums[disk["pool"]] = sums.get(disk["pool"], 0) + (0 if disk["linked"] else disk["size_bytes"])
    for pool, size in sums.items():
        if made.pools[pool].available_bytes < size * wish.count:
            free = made.pools[pool].available_bytes // GIB
            yield Warning("pool_room", {"pool": made.pools[pool].name, "free": free})
    free_kib = placing.free_memory(made.host)
    if wish.start and free_kib < made.takes["memory_kib"] * wish.count:
        yield Warning("host_memory", {"free": free_kib // 1024})
