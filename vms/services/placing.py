"""Where a new VM fits: the hosts that its maker may use, with the pool and the network that it gets there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from django.db.models import Q, Sum

from vms.errors import NotAllowed
from vms.libvirtxml import CLEAN_TRAFFIC
from vms.models import Host, Network, NetworkFilter, Placement, StoragePool
from vms.permissions import Who, visible_hosts, visible_networks, visible_pools
from vms.services.freshness import freshness
from vms.services.images import can_bring, on_host

# Of VMs in these states the memory is taken.
TAKES_MEMORY: Final = ("running", "paused", "shutting_down", "pmsuspended")


@dataclass(frozen=True)
class Asked:
    """What a place must have. host, pool: those that are chosen. images: those of which a copy should be on the host,
    in a pool that is started, or can be brought there. disk_bytes: of new disks."""

    memory_kib: int
    disk_bytes: int
    host: Host | None = None
    pool: StoragePool | None = None
    network: Network | None = None
    images: frozenset[int] = frozenset()
    arch: str = ""


@dataclass(frozen=True)
class Place:
    """A host that has it all. pool: where new disks go, None where there are none; network: the one that is offered,
    None where there is none that may be used. pools, networks: all there that he may use. free_kib: memory that no VM
    has. why: "chosen", "only", "image", "memory" of so many hosts."""

    host: Host
    pool: StoragePool | None
    network: Network | None
    free_kib: int
    pools: tuple[StoragePool, ...] = ()
    networks: tuple[Network, ...] = ()
    why: str = ""
    of: int = 1


def place(who: Who, asked: Asked, hosts: Iterable[Host]) -> tuple[Place | None, str]:
    """The best place of the hosts, his own, or None with what no host has: "host", "host_maintenance", "host_silent",
    "pool", "image", "arch"."""
    own = [host for host in hosts if asked.host in (None, host)]
    hosts = [host for host in own if host.in_maintenance_at is None]
    if not hosts:
        return None, "host_maintenance" if own else "host"
    heard = [host for host in hosts if freshness(host) == "live"]
    if not heard:
        return None, "host_silent"
    fitting = [host for host in heard if asked.arch in ("", host.facts.get("arch") or "x86_64")]
    if not fitting:
        return None, "arch"
    having = [host for host in fitting if not asked.images or asked.images <= images_on(who, host)]
    # Where none has them all, they are brought.
    having = having or [host for host in fitting if all(can_bring(who, image, host) for image in asked.images)]
    if not having:
        return None, "image"
    found = [made for host in having if (made := place_on(who, host, asked))]
    if not found:
        return None, "pool"
    # A host that has too little still can: memory and room are promised to VMs that do not need it all.
    best = max(found, key=lambda made: (has_room(made, asked), made.free_kib, -made.host.pk))
    chosen = asked.host or asked.pool or asked.network
    why = "chosen" if chosen else "only" if len(hosts) == 1 else "image" if len(having) < len(fitting) else "memory"
    return replace(best, why=why, of=len(found)), ""


def has_room(made: Place, asked: Asked) -> bool:
    """Whether it has all the memory and all that its disks can become."""
    return made.free_kib >= asked.memory_kib and (made.pool is None or made.pool.available_bytes >= asked.disk_bytes)


def own_hosts(who: Who) -> list[Host]:
    """Those on which he may make VMs, by name, also what takes none now."""
    there = visible_hosts(who, "host.use").filter(driver=Host.Driver.QEMU, left_alone=False)
    return list(there.order_by("name"))


def usable_hosts(who: Who) -> list[Host]:
    """The same without those that are in maintenance."""
    return usable(own_hosts(who))


def usable(hosts: Iterable[Host]) -> list[Host]:
    return [host for host in hosts if host.in_maintenance_at is None]


def require_somewhere(who: Who) -> list[Host]:
    """The hosts on which he may make VMs; NotAllowed where there is none."""
    found = own_hosts(who)
    if not found:
        raise NotAllowed(privilege="host.use")
    return found


def place_on(who: Who, host: Host, asked: Asked) -> Place | None:
    """The place there: the first pool that has room, else that with the most, since disks take room as they fill. None
    where none of his is started, or the chosen pool or network is elsewhere."""
    pools, networks = usable_pools(who, host), usable_networks(who, host)
    there = tuple(pools), tuple(networks)
    if asked.pool:
        pools = [pool for pool in pools if pool == asked.pool]
    if asked.network and asked.network not in networks:
        return None
    roomy = [pool for pool in pools if pool.available_bytes >= asked.disk_bytes]
    pool = next(iter(roomy), None) or max(pools, key=lambda pool: pool.available_bytes, default=None)
    if pool is None and (asked.disk_bytes or asked.pool):
        return None
    started = next((network for network in networks if network.active and is_filtered(host)), None)
    return Place(host, pool, asked.network or started, free_memory(host), *there)


def usable_pools(who: Who, host: Host) -> list[StoragePool]:
    """Started ones for his disks, the one called default first, then that with the most room."""
    pools = visible_pools(who).filter(host=host, active=True)
    return sorted(pools, key=lambda pool: (pool.name != "default", -pool.available_bytes, pool.pk))


def usable_networks(who: Who, host: Host) -> list[Network]:
    """Those to which he may connect VMs, started ones first, among them the one called default."""
    networks = visible_networks(who).filter(host=host)
    return sorted(networks, key=lambda network: (not network.active, network.name != "default", network.name))


def is_filtered(host: Host) -> bool:
    """Whether the host has the filter that is put before cards."""
    return NetworkFilter.objects.filter(host=host, name=CLEAN_TRAFFIC).exists()


def free_memory(host: Host) -> int:
    """KiB of the host that no VM has which runs, or which is being made."""
    there = Placement.objects.filter(host=host, vm__deleted_at=None)
    taking = Q(present=True, state__in=TAKES_MEMORY) | Q(present=False, read_at=None)
    taken = there.filter(taking).aggregate(sum=Sum("memory_kib"))["sum"] or 0
    return max(int(host.facts.get("memory_kib") or 0) - taken, 0)


def images_on(who: Who, host: Host) -> frozenset[int]:
    return frozenset(row.image_id for row, _ in on_host(who, host))
