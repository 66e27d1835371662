"""What a host's page says of it, from the facts that the watcher stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vms.models import Host
from vms.permissions import Who, visible_pools


@dataclass(frozen=True)
class Readiness:
    """Whether network and pool "default" are there, started, and start with the host.

    network and pool are true when nothing of theirs is missing; known is False before the first reading.
    """

    known: bool
    network: bool
    pool: bool
    networks: list[dict[str, Any]]
    pools: list[dict[str, Any]]

    @property
    def complete(self) -> bool:
        return self.network and self.pool


def readiness(host: Host, who: Who) -> Readiness:
    """What stands ready for VMs on the host; pools that he may use with the number of their page."""
    pages = {str(uuid): pk for uuid, pk in visible_pools(who).filter(host=host).values_list("uuid", "pk")}
    missing = [str(step) for step in host.facts.get("missing", [])]
    return Readiness(
        known="missing" in host.facts,
        network=not any(step.startswith("network") for step in missing),
        pool=not any(step.startswith("pool") for step in missing),
        networks=items(host.facts.get("networks")),
        pools=[{**pool, "pk": pages.get(str(pool.get("uuid")))} for pool in items(host.facts.get("pools"))],
    )


def items(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
