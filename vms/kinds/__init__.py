"""Every kind of operation by its name; a test holds them against the functions in vms.operations."""

from __future__ import annotations

from vms.kinds import (
    agent,
    clone,
    create,
    define,
    dump,
    hardware,
    host_plans,
    hosts,
    images,
    imports,
    maintenance,
    media,
    migration,
    moving,
    networks,
    pools,
    power,
    renaming,
    secrets,
    seeds,
    shaping,
    snapshots,
    templates,
    trash,
    uploads,
    volumes,
    xml,
)  # fmt: skip
from vms.kinds.base import Autostart, Kind, Params, whole_number

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *power.KINDS, *hardware.KINDS, *hosts.KINDS, *pools.KINDS, *secrets.KINDS, *volumes.KINDS, *uploads.KINDS,
        *networks.KINDS, *images.KINDS, *create.KINDS, *clone.KINDS, *trash.KINDS, *renaming.KINDS, *seeds.KINDS,
        *imports.KINDS, *define.KINDS, *media.KINDS, *templates.KINDS,
        *xml.KINDS, *shaping.KINDS, *moving.KINDS, *agent.KINDS, *snapshots.KINDS, *migration.KINDS, *dump.KINDS,
        *maintenance.KINDS, *host_plans.KINDS,
    )
}  # fmt: skip
MENU: tuple[Kind, ...] = tuple(sorted((kind for kind in KINDS.values() if kind.menu), key=lambda kind: kind.harm))
# Those whose target is not there before.
MAKING: tuple[str, ...] = tuple(name for name, kind in KINDS.items() if kind.makes)

__all__ = ["KINDS", "MAKING", "MENU", "Autostart", "Kind", "Params", "whole_number"]
