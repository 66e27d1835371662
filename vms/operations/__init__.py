"""What a worker does: one function a kind, and the rules that keep every operation from being lost or done twice."""

from __future__ import annotations

from typing import Final

from vms.kinds import KINDS
from vms.operations import (
    agent,
    booting,
    clone,
    create,
    define,
    dump,
    hardware,
    host_plans,
    hosts,
    images,
    imports,
    media,
    migration,
    moving,
    networks,
    pools,
    power,
    renaming,
    restarting,
    secrets,
    seeds,
    shaping,
    snapshots,
    templates,
    trash,
    volumes,
    xml,
)  # fmt: skip
from vms.operations.way import Trial, Way

WAYS: Final[dict[str, Way]] = {
    **power.WAYS,
    **booting.WAYS,
    **hardware.WAYS,
    **hosts.WAYS,
    **pools.WAYS,
    **secrets.WAYS,
    **volumes.WAYS,
    **networks.WAYS,
    **images.WAYS,
    **create.WAYS,
    **clone.WAYS,
    **define.WAYS,
    **trash.WAYS,
    **renaming.WAYS,
    **restarting.WAYS,
    **seeds.WAYS,
    **imports.WAYS,
    **media.WAYS,
    **templates.WAYS,
    **xml.WAYS,
    **shaping.WAYS,
    **agent.WAYS,
    **moving.WAYS,
    **snapshots.WAYS,
    **dump.WAYS,
    **migration.WAYS,
}
TRIALS: Final[dict[str, Trial]] = {**hosts.TRIALS, **pools.TRIALS, **host_plans.TRIALS}
KNOWN: Final = (*WAYS, *TRIALS)
# What is made of other operations (vms.operations.maintenance, host_plan_runs); nobody claims or settles it.
PLANS: Final = tuple(name for name, kind in KINDS.items() if kind.queue == "plan")
# What the transfer process does; no worker claims or settles it.
TRANSFERS: Final = tuple(name for name, kind in KINDS.items() if kind.queue == "transfer")
