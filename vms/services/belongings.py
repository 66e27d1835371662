"""What goes with a VM that is deleted, and what stays: by the rows before, and by its host's word when it is done.

Only what the VM's own definition or its snapshots name as a disk goes, and of that only what nothing else needs: what
lies below a disk, what somebody may install from, what another VM uses, and what is in no pool, is never touched
(docs/decisions/0075).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from django.db.models import Sum

from vms.errors import HostLeftAlone, HostSilent, NoPool
from vms.libvirtxml import BadXML, Belongings, DomainXML, Source, belongings
from vms.models import Document, ImageCopy, Placement, StoragePool, Trashed, VirtualMachine, Volume
from vms.permissions import Who, visible_vms, visible_volumes
from vms.services import operations
from vms.services.volumes import joined, require_all_heard

Told = dict[str, Any]
GONE: Final[Told] = {"there": False}
RUNS: Final = ("running", "shutting_down", "paused", "pmsuspended")


@dataclass(frozen=True)
class Line:
    """A disk, a medium or a file. why: a code for why it stays, "" for what goes. by: what it is needed by, as far as
    that may be told; others: how many more."""

    name: str
    why: str = ""
    volume: Volume | None = None
    by: str = ""
    others: int = 0


@dataclass(frozen=True)
class Found:
    """goes: the volumes; stays: what is left, and why. told: what else goes, as the host will be asked once more."""

    goes: list[Line]
    stays: list[Line]
    told: Told

    @property
    def volumes(self) -> list[int]:
        return sorted(line.volume.pk for line in self.goes if line.volume)

    @property
    def size(self) -> int:
        """The bytes that the volumes which go can become."""
        return Volume.objects.filter(pk__in=self.volumes).aggregate(size=Sum("capacity_bytes"))["size"] or 0

    @property
    def digest(self) -> str:
        """Another one where anything that is told is another."""
        return sha256(json.dumps([self.told, self.volumes], sort_keys=True).encode()).hexdigest()


def tell(own: Belongings, *, runs: bool, saved: bool, snapshots: Iterable[str], checkpoints: Iterable[str]) -> Told:
    """What a domain has, to be compared."""
    return {
        "there": True,
        "disks": [list(one[:2]) for one in own.disks],
        "nvram": own.nvram,
        "tpm": own.tpm,
        "saved": saved and not runs,
        "snapshots": list(snapshots),
        "checkpoints": list(checkpoints),
        "runs": runs,
    }


def differences(told: Told, now: Told) -> list[str]:
    """The names of what is another now. That it ran and is off by now is none."""
    names = sorted({*told, *now} - ({"runs", "saved"} if told.get("runs") and not now.get("runs") else set()))
    return [name for name in names if told.get(name) != now.get(name)]


def find(who: Who, vm: VirtualMachine) -> Found:
    """By the rows. Of a VM that is in the trash and that its host forgot, what was to go with it."""
    # As it is in this moment, whenever the VM was read.
    placement = Placement.objects.get(current_of=vm)
    trash = Trashed.objects.filter(vm=vm).first()
    if trash and not placement.present:
        pks = [one[0] for one in trash.left] if trash.purging else trash.volumes
        rows = Volume.objects.filter(pk__in=pks, present=True).order_by("name")
        return found([line(who, vm, row, frozenset()) for row in rows], GONE)
    document = Document.objects.filter(placement=placement).first() or Document()
    own = belongings(parsed(document.live, document.next_boot))
    kept = document.kept
    told = tell(
        own, runs=placement.state in RUNS, saved=placement.has_managed_save,
        snapshots=kept.get("snapshots", []), checkpoints=kept.get("checkpoints", []),
    )  # fmt: skip
    return found(lines(who, vm, placement, own, kept.get("sources", [])), told)


def found(told: list[Line], has: Told) -> Found:
    return Found([one for one in told if not one.why], [one for one in told if one.why], has)


def parsed(*texts: str) -> list[DomainXML]:
    """Those of the documents that are any."""
    documents = []
    for text in filter(None, texts):
        with suppress(BadXML):
            documents.append(DomainXML.parse(text))
    return documents


def lines(
    who: Who, vm: VirtualMachine, placement: Placement, own: Belongings, of_snapshots: list[Source]
) -> list[Line]:  # fmt: skip
    """Each of its volumes, then what is in no pool, by name."""
    pools = list(StoragePool.objects.filter(host=placement.host_id, present=True))
    mine, media = set_of([*own.disks, *of_snapshots]), set_of(own.media)
    # A template's disks are read-only because it is one.
    shared = frozenset(set_of(own.shared) if vm.templated_at is None else ())
    known: set[tuple[str, str]] = set()
    rows = []
    for volume in vm.volumes.filter(present=True).order_by("name", "pk"):
        places = named(volume, pools, mine | media)
        known |= places
        if places & mine or volume.private:
            rows.append(line(who, vm, volume, shared & places))
        else:
            rows.append(Line(shown(who, volume), "media" if places else "below", volume))
    nvram = [Line(own.nvram, "nvram")] if own.nvram and is_named_elsewhere(placement, own.nvram) else []
    strange = [(place, "outside") for place in mine - known] + [(place, "media") for place in media - mine - known]
    return rows + nvram + [Line(where, why) for (_, where), why in sorted(strange)]


def set_of(sources: Iterable[Source]) -> set[tuple[str, str]]:
    return {(source[0], source[1]) for source in sources}


def named(volume: Volume, pools: Iterable[StoragePool], among: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the sources that are the volume."""
    own = [pool for pool in pools if pool.storage_id == volume.storage_id]
    places = {("path", volume.path)} | {("volume", f"{pool.name}/{volume.name}") for pool in own}
    places |= {("path", f"{pool.path.rstrip('/')}/{volume.name}") for pool in own if pool.path}
    remote = (
        {one for one in among if one[0] == "network" and one[1].rpartition("/")[2] == volume.name} if own else set()
    )
    return among & (places | remote)


def is_named_elsewhere(placement: Placement, path: str) -> bool:
    """Whether another VM of the host names the file."""
    others = Document.objects.filter(placement__host=placement.host_id, placement__present=True)
    rows = others.exclude(placement=placement).exclude(sources=[]).values_list("sources", flat=True)
    return any(["path", path] == source[:2] for sources in rows for source in sources)


def line(who: Who, vm: VirtualMachine, volume: Volume, shared: Iterable[Any]) -> Line:
    """One that its VM names as a disk: it goes, unless something else needs it or nobody can tell."""
    name = shown(who, volume)
    if ImageCopy.objects.filter(volume=volume).exists():
        return Line(name, "image", volume)
    if shared:
        return Line(name, "shared", volume)
    others = volume.vms.exclude(pk=vm.pk)
    if number := others.count():
        seen = [one.name for one in visible_vms(who).filter(pk__in=others.order_by().values("pk")).order_by("name")]
        return Line(name, "used", volume, joined(seen), number - len(seen))
    layers = Volume.objects.filter(backing=volume).exclude(pk__in=only_of(vm))
    if number := layers.count():
        seen = list(visible_volumes(who).filter(pk__in=layers.values("pk")).values_list("name", flat=True))
        return Line(name, "backs", volume, joined(seen), number - len(seen))
    if volume.state == Volume.State.INCOMPLETE or volume.refusal in ("folder", "device"):
        return Line(name, "not_ready", volume)
    try:
        if not operations.pool_of(volume).active:
            return Line(name, "pool_off", volume)
        require_all_heard(who, volume)
    except (NoPool, HostSilent, HostLeftAlone):
        return Line(name, "silent", volume)
    return Line(name, "", volume)


def only_of(vm: VirtualMachine) -> list[int]:
    """The volumes that this VM alone uses."""
    mine = Volume.vms.through.objects.filter(virtualmachine=vm).values("volume")
    shared = Volume.vms.through.objects.filter(volume__in=mine).exclude(virtualmachine=vm).values("volume")
    return list(Volume.objects.filter(pk__in=mine).exclude(pk__in=shared).values_list("pk", flat=True))


def shown(who: Who, volume: Volume) -> str:
    """Its name, with its pool's."""
    try:
        return f"{operations.pool_of(volume).name} / {volume.name}"
    except NoPool:
        return volume.name
