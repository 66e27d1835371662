"""The two sides of a move as rows tell them: what a VM needs, and what a host has, as far as who asks may know.

Hundreds of VMs and tens of hosts are read in so many queries as one of each, and each document is parsed once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from posixpath import basename, dirname
from typing import Any, Final

from django.db.models import Q, Sum

from vms.libvirtxml import BadXML, DiskNeed, DomainXML, MoveNeeds, move_needs
from vms.models import Host, MoveRoute, Network, NetworkFilter, Placement, StoragePool, VirtualMachine, Volume
from vms.permissions import Who, visible_networks, visible_pools
from vms.services.freshness import freshness
from vms.services.placing import TAKES_MEMORY
from vms.services.volumes import formats

# In these states it has a run, which moves with it.
RUNS: Final = ("running", "paused", "shutting_down", "pmsuspended")


@dataclass(frozen=True)
class DiskSide:
    """A disk or drive with something in it, and the storages that it and what lies below it are in, 0 for one that is
    not known. private: a volume with secrets of its VM's."""

    need: DiskNeed
    storages: frozenset[int]
    name: str = ""
    format: str = ""
    size_bytes: int = 0
    private: bool = False


@dataclass(frozen=True)
class PoolSide:
    """A started pool in which who asks may keep disks. formats: what its volumes may be."""

    pk: int
    name: str
    storage: int
    formats: tuple[str, ...]
    available_bytes: int


@dataclass(frozen=True)
class HostSide:
    """known: its watcher has read what it is made of. machines: by name how many processors a VM of it can have, 0 for
    not told. networks: whether each runs, by name; bridges, links: its interfaces, None where they are not told.
    storages: the type of pool by which it has each. uuids, names: of the VMs in question those that it has already.
    sriov: networks that give out parts of a network card. clear_from: the hosts from which nobody may send disks."""

    pk: int
    name: str
    node: str = ""
    driver: str = "qemu"
    fresh: str = "live"
    maintenance: bool = False
    known: bool = True
    arch: str = "x86_64"
    kvm: bool = True
    machines: Mapping[str, int] = field(default_factory=dict)
    emulator: str = ""
    cpu_vendor: str = ""
    cpu_model: str = ""
    cpu_features: frozenset[str] = frozenset()
    cpu_models: frozenset[str] = frozenset()
    cpu_blocked: Mapping[str, frozenset[str]] = field(default_factory=dict)
    cpu_lacks: frozenset[str] = frozenset()
    cpus: int = 0
    memory_kib: int = 0
    free_kib: int = 0
    pages: frozenset[int] = frozenset()
    networks: Mapping[str, bool] = field(default_factory=dict)
    sriov: frozenset[str] = frozenset()
    bridges: frozenset[str] | None = None
    links: frozenset[str] | None = None
    filters: frozenset[str] = frozenset()
    storages: Mapping[int, str] = field(default_factory=dict)
    pools: tuple[PoolSide, ...] = ()
    qemu: tuple[int, ...] = ()
    labels: frozenset[str] = frozenset()
    firmwares: frozenset[str] | None = None
    secure_boot: bool | None = None
    tpm: bool | None = None
    uuids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    clear_from: frozenset[int] = frozenset()


@dataclass(frozen=True)
class VmSide:
    """needs: of the run that moves, of its next start while it is off; None where that is not read. here: its host."""

    pk: int
    name: str
    uuid: str
    state: str
    here: HostSide
    needs: MoveNeeds | None
    disks: tuple[DiskSide, ...] = ()
    persistent: bool = True
    saved: bool = False
    present: bool = True
    template: bool = False
    snapshots: int = 0
    checkpoints: int = 0

    @cached_property
    def runs(self) -> bool:
        return self.state in RUNS


@dataclass(frozen=True)
class Sides:
    vms: dict[int, VmSide]
    hosts: dict[int, HostSide]


def sides(who: Who, vms: Iterable[VirtualMachine], hosts: Iterable[Host]) -> Sides:
    """Of these VMs and hosts, by id. The hosts are ones on which he may place VMs; which networks and pools they have
    is told as far as he may use them."""
    asked = {host.pk: host for host in hosts}
    placements = read_placements([vm.pk for vm in vms])
    away = {placement.host_id for placement in placements} - asked.keys()
    every = {**asked, **Host.objects.in_bulk(away)} if away else asked
    pools = pools_of(every)
    disks = disks_of(placements, pools)
    found = host_sides(who, every, placements, pools)
    there = {placement.vm_id: vm_side(placement, found, *disks[placement.pk]) for placement in placements}
    return Sides(there, {pk: found[pk] for pk in asked})


def read_placements(vms: list[int]) -> list[Placement]:
    rows = Placement.objects.filter(current_of__in=vms).select_related("vm", "document")
    return list(
        rows.only(
            "vm", "host", "uuid", "name", "state", "persistent", "has_managed_save", "present", "vm__name",
            "vm__templated_at", "document__live", "document__next_boot", "document__kept",
        )
    )  # fmt: skip


def pools_of(hosts: Collection[int]) -> dict[int, list[StoragePool]]:
    """The started ones, by host."""
    found: dict[int, list[StoragePool]] = defaultdict(list)
    rows = StoragePool.objects.filter(host__in=hosts, present=True, active=True)
    for pool in rows.only("host", "storage", "name", "type", "path", "available_bytes"):
        found[pool.host_id].append(pool)
    return found


Disks = dict[int, tuple[MoveNeeds | None, tuple[DiskSide, ...]]]


def disks_of(placements: list[Placement], pools: Mapping[int, list[StoragePool]]) -> Disks:
    """By placement what its VM needs, and its disks."""
    volumes: dict[tuple[int, int, str], dict[str, Any]] = {}
    used = Volume.objects.filter(vms__in=[placement.vm_id for placement in placements])
    columns = ("vms", "storage", "name", "format", "capacity_bytes", "private", "backing__storage", "backing_path")
    for row in used.values(*columns):
        volumes[row["vms"], row["storage"], row["name"]] = row
    found: Disks = {}
    for placement in placements:
        needs = needs_of(placement)
        there = pools.get(placement.host_id, [])
        folders = {pool.path: pool.storage_id for pool in there if pool.path}
        named = {pool.name: pool.storage_id for pool in there}
        disks = needs.disks if needs else ()
        found[placement.pk] = needs, tuple(disk_side(placement.vm_id, disk, folders, named, volumes) for disk in disks)
    return found


def needs_of(placement: Placement) -> MoveNeeds | None:
    document = getattr(placement, "document", None)
    text = ((placement.state in RUNS and document.live) or document.next_boot) if document else ""
    try:
        return move_needs(DomainXML.parse(text)) if text else None
    except BadXML:
        return None


def disk_side(
    vm: int, disk: DiskNeed, folders: Mapping[str, int], named: Mapping[str, int],
    volumes: Mapping[tuple[int, int, str], dict[str, Any]],
) -> DiskSide:  # fmt: skip
    where = [place(how, at, folders, named) for how, at, _ in disk.at]
    volume = volumes.get((vm, *where[0]), {})
    storages = {storage for storage, _ in where}
    if volume.get("backing_path"):
        storages.add(volume["backing__storage"] or 0)
    return DiskSide(
        need=disk,
        storages=frozenset(storages),
        name=where[0][1],
        format=volume.get("format") or disk.at[0][2],
        size_bytes=volume.get("capacity_bytes") or 0,
        private=bool(volume.get("private")),
    )


def place(how: str, at: str, folders: Mapping[str, int], named: Mapping[str, int]) -> tuple[int, str]:
    """(the storage, the name in it) of what a definition names; 0 for a storage that is not known."""
    if how == "volume":
        pool, _, name = at.partition("/")
        return named.get(pool, 0), name
    return (folders.get(dirname(at), 0), basename(at)) if how == "path" else (0, at)


def host_sides(
    who: Who, hosts: Mapping[int, Host], placements: list[Placement], pools: Mapping[int, list[StoragePool]]
) -> dict[int, HostSide]:
    networks: dict[int, list[Network]] = defaultdict(list)
    for network in visible_networks(who).filter(host__in=hosts).only("host", "name", "active", "mode", "bridge"):
        networks[network.host_id].append(network)
    filters: dict[int, set[str]] = defaultdict(set)
    for host, name in NetworkFilter.objects.filter(host__in=hosts).values_list("host", "name"):
        filters[host].add(name)
    usable = set(visible_pools(who).filter(host__in=hosts).values_list("pk", flat=True))
    clear: dict[int, set[int]] = defaultdict(set)
    for route in MoveRoute.objects.filter(target__in=hosts, source__in=hosts):
        if not route.is_private:
            clear[route.target_id].add(route.source_id)
    memory, there = memory_taken(hosts), others(hosts, placements)
    return {
        pk: host_side(
            host, networks[pk], filters[pk], pools.get(pk, []), usable, clear[pk], memory.get(pk, 0), there[pk]
        )
        for pk, host in hosts.items()
    }


def memory_taken(hosts: Collection[int]) -> dict[int, int]:
    """KiB that VMs have that run or are being made, by host."""
    taking = Q(present=True, state__in=TAKES_MEMORY) | Q(present=False, read_at=None)
    there = Placement.objects.filter(taking, host__in=hosts, vm__deleted_at=None)
    return dict(there.values_list("host").annotate(Sum("memory_kib")).order_by())


def others(hosts: Collection[int], placements: list[Placement]) -> dict[int, tuple[set[str], set[str]]]:
    """(UUIDs, names) of these VMs that each host has, be it theirs."""
    found: dict[int, tuple[set[str], set[str]]] = {pk: (set(), set()) for pk in hosts}
    same = Q(uuid__in=[one.uuid for one in placements]) | Q(name__in=[one.name for one in placements])
    for host, uuid, name in Placement.objects.filter(same, host__in=hosts, present=True).values_list(
        "host", "uuid", "name"
    ):
        found[host][0].add(str(uuid))
        found[host][1].add(name)
    return found


def host_side(
    host: Host, networks: list[Network], filters: set[str], pools: list[StoragePool], usable: Collection[int],
    clear: set[int], memory: int, there: tuple[set[str], set[str]],
) -> HostSide:  # fmt: skip
    told, made = host.facts, host.hardware
    cpu = made.get("guest_cpu") or {}
    machines = made.get("machines") or []
    most = [*(made.get("most_vcpus") or []), *[0] * len(machines)]
    bridges, links = interfaces(host, networks)
    whole = int(told.get("memory_kib") or 0)
    firmwares = made.get("firmwares")
    return HostSide(
        pk=host.pk,
        name=host.name,
        node=host.node,
        driver=host.driver,
        fresh=freshness(host),
        maintenance=host.in_maintenance_at is not None,
        known=bool(told and made),
        arch=str(told.get("arch") or "x86_64"),
        kvm=told.get("domain_type") == "kvm",
        machines=dict(zip(machines, most, strict=False)),
        emulator=str(made.get("emulator") or ""),
        cpu_vendor=str(cpu.get("vendor") or made.get("cpu_vendor") or ""),
        cpu_model=str(cpu.get("model") or ""),
        cpu_features=frozenset(cpu.get("features") or []),
        cpu_models=frozenset(made.get("cpu_models") or []),
        cpu_blocked={model: frozenset(wanting) for model, wanting in cpu.get("blocked") or []},
        cpu_lacks=frozenset(cpu.get("lacks") or []),
        cpus=int(told.get("cpus") or 0),
        memory_kib=whole,
        free_kib=max(whole - memory, 0),
        pages=frozenset(
            page["size_kib"] for cell in made.get("cells") or [] for page in cell.get("pages", []) if page["total"]
        ),
        networks={network.name: network.active for network in networks},
        sriov=frozenset(network.name for network in networks if network.mode == "hostdev"),
        bridges=bridges,
        links=links,
        filters=frozenset(filters),
        storages={pool.storage_id: pool.type for pool in pools},
        pools=tuple(
            PoolSide(pool.pk, pool.name, pool.storage_id, formats(pool), pool.available_bytes)
            for pool in sorted(pools, key=lambda pool: (-pool.available_bytes, pool.pk))
            if pool.pk in usable
        ),
        qemu=version(str(told.get("qemu_version") or "")),
        labels=frozenset(told.get("security_models") or []),
        firmwares=None if firmwares is None else frozenset(firmwares),
        secure_boot=made.get("secure_boot"),
        tpm=made.get("tpm"),
        uuids=frozenset(there[0]),
        names=frozenset(there[1]),
        clear_from=frozenset(clear),
    )


def interfaces(host: Host, networks: list[Network]) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """(its bridges, all its interfaces), None for what it does not tell: bridges only where it has an interface
    driver."""
    told = [link for link in host.facts.get("links") or [] if isinstance(link, dict)]
    if not told:
        return None, None
    own = {network.bridge for network in networks if network.bridge}
    names = {str(link.get("name")) for link in told}
    bridges = {str(link.get("name")) for link in told if link.get("kind") == "bridge"}
    return (frozenset(bridges | own) if any(link.get("kind") for link in told) else None), frozenset(names | own)


def version(text: str) -> tuple[int, ...]:
    """ "7.2.0" as numbers; () for what is none."""
    words = text.split(".")
    return tuple(int(word) for word in words) if all(word.isascii() and word.isdigit() for word in words) else ()


def vm_side(
    placement: Placement, hosts: Mapping[int, HostSide], needs: MoveNeeds | None, disks: tuple[DiskSide, ...]
) -> VmSide:  # fmt: skip
    document = getattr(placement, "document", None)
    kept = document.kept if document else {}
    return VmSide(
        pk=placement.vm_id,
        name=placement.name,
        uuid=str(placement.uuid),
        state=placement.state,
        here=hosts[placement.host_id],
        needs=needs,
        disks=disks,
        persistent=placement.persistent,
        saved=placement.has_managed_save,
        present=placement.present,
        template=placement.vm.templated_at is not None,
        snapshots=len(kept.get("snapshots", [])),
        checkpoints=len(kept.get("checkpoints", [])),
    )
