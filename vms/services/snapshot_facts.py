"""What is known of a VM that decides which snapshots of it are possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from vms.libvirtxml import BadXML, DomainXML, Ground, ground
from vms.models import Document, Placement, Snapshot, StoragePool, VirtualMachine, Volume
from vms.services import snapshot_rules as rules
from vms.services import volumes
from vms.services.freshness import placed

Place = tuple[str, str]


@dataclass(frozen=True)
class There:
    """What is known of a VM, in as many queries for a VM with many snapshots as for one without. known: the volumes by
    the places that definitions call them; gone: likewise what was there once."""

    vm: VirtualMachine
    placement: Placement
    document: Document
    snapshots: tuple[Snapshot, ...]
    pools: tuple[StoragePool, ...]
    known: Mapping[Place, Volume]
    gone: frozenset[Place]

    def one(self, place: Place) -> Place:
        """One word for what a run calls by its path and a start by its pool, as they do."""
        row = self.known.get(place)
        return ("path", row.path) if row is not None and row.path else place

    @cached_property
    def runs(self) -> bool:
        return self.placement.state in rules.RUNS

    @cached_property
    def ground(self) -> Ground:
        """Of this run, else of the next start."""
        try:
            return ground(DomainXML.parse((self.document.live if self.runs else "") or self.document.next_boot))
        except BadXML:
            return Ground()

    @cached_property
    def machine(self) -> rules.Machine:
        """What the rules judge."""
        return rules.Machine(
            state=self.placement.state,
            driver=self.placement.host.driver,
            libvirt=version_of(str(self.placement.host.facts.get("libvirt_version", ""))),
            disks=tuple(self.disks()),
            snapshots=tuple(self.known_of(row) for row in self.snapshots),
            checkpoints=tuple(self.document.kept.get("checkpoints", [])),
            nvram=self.ground.nvram,
            passthrough=self.ground.passthrough,
            shares=self.ground.shares,
            tpm=self.ground.tpm,
            missing=self.gone,
        )

    def known_of(self, row: Snapshot) -> rules.Known:
        def at(source: list[str]) -> tuple[str, ...]:
            return self.one((source[0], source[1])) if len(source) > 1 else ()

        return rules.Known(
            name=row.name,
            kind=row.kind,
            has_memory=row.has_memory,
            state=row.state,
            parent=row.parent_name,
            is_current=row.is_current,
            disks=tuple(
                rules.Kept(each["target"], each["how"], at(each["source"]), at(each["layer"])) for each in row.disks
            ),
            has_definition=bool(row.next_boot),
        )

    def disks(self) -> Iterable[rules.Disk]:
        for disk in self.ground.disks:
            if not disk.writable or not disk.source:
                continue
            place = (disk.source[0], disk.source[1])
            volume = self.known.get(place)
            yield rules.Disk(
                target=disk.target,
                format=disk.format,
                source=self.one(place),
                in_pool=volume is not None and self.pool_of(volume) is not None and volume.kind == "file",
                shareable=disk.shareable,
                chain=tuple(self.one((each[0], each[1])) for each in disk.below) or self.below(volume),
                backs=volume is not None and self.is_backing(volume),
            )

    def below(self, volume: Volume | None) -> tuple[Place, ...]:
        """What lies under a volume by the rows, where the definition does not tell."""
        own = {row.pk: row for row in self.known.values()}
        found: list[Place] = []
        while volume is not None and volume.backing_id and len(found) < 64:
            under = own.get(volume.backing_id)
            found.append(("path", under.path if under else volume.backing_path))
            volume = under
        return tuple(found)

    def is_backing(self, volume: Volume) -> bool:
        """Whether something else lies over it: a layer that is not in this VM's own chains."""
        mine = {row.pk for row in self.known.values()}
        return any(layer.pk not in mine for layer in volume.layers.all() if layer.present)

    def pool_of(self, volume: Volume) -> StoragePool | None:
        """The one by which its host has the volume as a file."""
        own = (pool for pool in self.pools if pool.storage_id == volume.storage_id)
        return next((pool for pool in own if pool.path and pool.type in volumes.FILES), None)

    def volume(self, target: str) -> Volume | None:
        disk = self.machine.disk(target)
        return self.known.get(disk.source) if disk else None

    @cached_property
    def volumes(self) -> tuple[Volume, ...]:
        """What its disks are on now."""
        found = {row.pk: row for disk in self.machine.disks if (row := self.known.get(disk.source))}
        return tuple(found.values())

    @property
    def memory_bytes(self) -> int:
        return self.placement.memory_kib * 1024


def look(vm: VirtualMachine) -> There:
    """What is known of it now."""
    placement = Placement.objects.select_related("host").get(pk=placed(vm).pk)
    document = Document.objects.filter(placement=placement).first() or Document()
    pools = tuple(StoragePool.objects.filter(host=placement.host_id, present=True))
    rows = Volume.objects.filter(vms=vm).prefetch_related("layers")
    known: dict[Place, Volume] = {}
    gone: set[Place] = set()
    for row in rows:
        for place in places_of(row, pools):
            if row.present:
                known[place] = row
    named = {(one[0], one[1]) for one in document.sources if len(one) > 1}
    lost = Volume.objects.filter(storage__in={pool.storage_id for pool in pools}, present=False)
    for row in lost.filter(name__in={where.rpartition("/")[2] for _, where in named}):
        gone |= places_of(row, pools) & named
    snapshots = Snapshot.objects.filter(placement=placement).order_by("taken_at", "pk")
    return There(vm, placement, document, tuple(snapshots), pools, known, frozenset(gone - known.keys()))


def places_of(volume: Volume, pools: Iterable[StoragePool]) -> set[Place]:
    """What a definition of the host may call it."""
    own = [pool for pool in pools if pool.storage_id == volume.storage_id]
    found = {("volume", f"{pool.name}/{volume.name}") for pool in own}
    found |= {("path", f"{pool.path.rstrip('/')}/{volume.name}") for pool in own if pool.path}
    return found | ({("path", volume.path)} if volume.path else set())


def version_of(told: str) -> tuple[int, ...]:
    parts = told.split(".")
    return tuple(int(part) for part in parts) if all(part.isascii() and part.isdigit() for part in parts) else ()
