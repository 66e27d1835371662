"""What could be otherwise: VMs that idle, that are larger or smaller than what they do, volumes that nothing uses,
snapshots that have been kept for long.

Worked out at each question from the roll-ups and the inventory, of what the reader sees, in as many queries for many
as for few. What is done about it is an operation of who presses, asked for in the same way as anywhere else.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import Http404
from django.utils import timezone

from vms import live, metrics
from vms.kinds.power import SHUTDOWN
from vms.kinds.shaping import SHAPE
from vms.kinds.snapshots import DELETE as DELETE_SNAPSHOT
from vms.kinds.volumes import DELETE
from vms.metrics import HOST, VM
from vms.models import (
    Archive,
    Document,
    Host,
    Image,
    LeftAlone,
    Operation,
    ScheduledSnapshot,
    Snapshot,
    StoragePool,
    TemplateVolume,
    Version,
    VirtualMachine,
    Volume,
)
from vms.permissions import Actor, Who, held_each, require, require_deed, visible_vms, visible_volumes
from vms.services import audit, operations, schedules, shaping, snapshots, volumes
from vms.services.advice_rules import SERIES, TIER, WINDOW, Figures, Kind, figures, judge, period
from vms.services.freshness import freshness, placed
from vms.services.shaping import Wish

Thing = VirtualMachine | Volume | Snapshot
OF_VMS: Final[tuple[Kind, ...]] = ("idle", "cpus", "memory")
OF_VOLUMES: Final[tuple[Kind, ...]] = ("disk", "iso")
KINDS: Final[tuple[Kind, ...]] = (*OF_VMS, *OF_VOLUMES, "snapshot")
# What is needed on the VM to do it, and so to say that it is not to be done.
NEEDS: Final[dict[Kind, frozenset[str]]] = {
    "idle": frozenset(SHUTDOWN.privileges),
    "cpus": frozenset({*SHAPE.privileges, "vm.cpu_memory"}),
    "memory": frozenset({*SHAPE.privileges, "vm.cpu_memory"}),
    "snapshot": frozenset(DELETE_SNAPSHOT.privileges),
}
DOES: Final = {
    "idle": SHUTDOWN, "cpus": SHAPE, "memory": SHAPE, "disk": DELETE, "iso": DELETE, "snapshot": DELETE_SNAPSHOT,
}  # fmt: skip
# So long nobody must have written to a volume; a medium that is read is kept longer.
UNTOUCHED: Final[dict[Kind, timedelta]] = {"disk": timedelta(days=7), "iso": timedelta(days=30)}
# Whoever kept a state to go back to it has done so by then.
OLD: Final = timedelta(days=30)
RUNS: Final = "running"
# A thousand whole rows, with their hosts, would be most of what it costs.
READ: Final = (
    "name", "placement__host_id", "placement__vcpus", "placement__memory_kib", "placement__waiting",
    "placement__state_since",
)  # fmt: skip
# How a definition says that not all of its processors are in use: then they are not what the percent are of.
SOME_CPUS: Final = " current="


@dataclass(frozen=True)
class Item:
    """One piece of advice. has, wants: processors, or KiB of memory. saves_cpus, saves_kib, saves_bytes: of a host's
    processors, memory and storage; less than 0 is what it takes. told: what it rests on, for a VM. vm: also whose
    snapshot it is. may: whether who asked may do it; left: where somebody wants it left alone."""

    kind: Kind
    vm: VirtualMachine | None = None
    volume: Volume | None = None
    snapshot: Snapshot | None = None
    pool: StoragePool | None = None
    has: int = 0
    wants: int = 0
    saves_cpus: int = 0
    saves_kib: int = 0
    saves_bytes: int = 0
    told: Figures | None = None
    may: bool = False
    left: LeftAlone | None = None

    @property
    def thing(self) -> Thing:
        thing = self.snapshot or self.vm or self.volume
        if thing is None:
            raise LookupError("advice on nothing")
        return thing

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.thing.pk}"

    @property
    def needs_more(self) -> bool:
        """Whether it is too small."""
        return self.wants > self.has


@dataclass(frozen=True)
class Advice:
    """given: what is to be read, what hurts first, then what saves most; left: what is left alone."""

    given: list[Item] = field(default_factory=list)
    left: list[Item] = field(default_factory=list)


def find(who: Who) -> Advice:
    """All of it."""
    vms = visible_vms(who)
    items = [*of_vms(who, vms), *of_volumes(who, visible_volumes(who)), *of_snapshots(who, vms)]
    items = with_left(items)
    return Advice([one for one in items if not one.left], [one for one in items if one.left])


def rank(one: Item) -> tuple[Any, ...]:
    order = (0 if one.needs_more else 1 + KINDS.index(one.kind), -one.saves_kib, -one.saves_cpus, -one.saves_bytes)
    return (*order, one.thing.name, one.thing.pk)


def with_left(items: Iterable[Item]) -> list[Item]:
    """The same in their order, with what is left alone of them."""
    rows = {f"{row.kind}-{row.vm_id or row.volume_id or row.snapshot_id}": row for row in LeftAlone.objects.all()}
    return sorted((replace(one, left=rows[one.id]) if one.id in rows else one for one in items), key=rank)


def of_vms(who: Who, among: QuerySet[VirtualMachine]) -> list[Item]:
    """On those of the VMs that run: four queries, for who is no administrator two more, and two of the store."""
    latest = Version.objects.filter(vm=OuterRef("pk")).order_by("-number").values("at")[:1]
    there = among.filter(templated_at=None, placement__present=True, placement__state=RUNS)
    rows = there.filter(placement__host__driver=Host.Driver.QEMU).annotate(written_at=Subquery(latest)).order_by()
    vms = {vm.pk: vm for vm in rows.select_related(None).select_related("placement").only(*READ)}
    facts = Host.objects.filter(pk__in={placed(vm).host_id for vm in vms.values()}).values_list("pk", "facts")
    host_cpus = {pk: int(told.get("cpus") or 0) for pk, told in facts}
    now = int(time.time())
    watched = watch(vms, now)
    some = with_some_cpus([pk for pk, told in watched.items() if told])
    rights = held_each(who, frozenset().union(*NEEDS.values()), list(vms)) if vms else {}
    found = []
    for pk, told in watched.items():
        vm, placement = vms[pk], placed(vms[pk])
        judged = judge(
            told, vcpus=placement.vcpus, memory_kib=placement.memory_kib,
            host_cpus=host_cpus[placement.host_id],
        )  # fmt: skip
        for one in judged:
            # What is coming anyway may be just this.
            if one.kind != "idle" and (placement.waiting or (one.kind == "cpus" and pk in some)):
                continue
            idle = one.kind == "idle"
            found.append(
                Item(
                    one.kind,
                    vm=vm,
                    has=one.has,
                    wants=one.wants,
                    told=told,
                    may=rights[pk] >= NEEDS[one.kind],
                    saves_cpus=placement.vcpus if idle else one.has - one.wants if one.kind == "cpus" else 0,
                    saves_kib=placement.memory_kib if idle else one.has - one.wants if one.kind == "memory" else 0,
                )
            )
    return found


def watch(vms: Mapping[int, VirtualMachine], now: int) -> dict[int, Figures]:
    """{VM: what its last week adds up to}, of those that were measured; of one whose definition was changed since, from
    when that was so."""
    # Whole spans.
    start = now // TIER.step * TIER.step - WINDOW
    hosts = {placed(vm).host_id for vm in vms.values()}
    seconds = {host: period(rows) for host, rows in metrics.spans(HOST, hosts, ("cpu",), start, now, TIER)}
    found = {}
    for pk, rows in metrics.spans(VM, vms, SERIES, start, now, TIER):
        since = changed(vms[pk], start)
        kept = [row for row in rows if row[1] >= since] if since > start else rows
        if kept:
            found[pk] = figures(kept, seconds.get(placed(vms[pk]).host_id, period(())))
    return found


def changed(vm: VirtualMachine, start: int) -> float:
    """Since when it is what it is, in seconds since 1970: what was written may have come with a later start."""
    written: datetime | None = vm.written_at  # type: ignore[attr-defined]
    if written is None or written.timestamp() <= start:
        return start
    since = placed(vm).state_since
    return max(written.timestamp(), since.timestamp() if since else 0)


def with_some_cpus(vms: Sequence[int]) -> set[int]:
    """Those of which not all processors are in use, or that are written so that one cannot tell."""
    if not vms:
        return set()
    rows = Document.objects.filter(placement__current_of__in=vms, next_boot__contains=SOME_CPUS)
    return set(rows.values_list("placement__vm_id", flat=True))


def of_volumes(who: Who, among: QuerySet[Volume]) -> list[Item]:
    """On those of the volumes that no VM has, that nothing is made of, and that nobody has written to for a while;
    nothing where a host of their storage is not heard, which may use them."""
    now = timezone.now()
    used = Exists(Volume.vms.through.objects.filter(volume=OuterRef("pk")))
    below = Exists(Volume.objects.filter(backing=OuterRef("pk")))
    kept = Exists(Archive.objects.filter(volume=OuterRef("pk")))
    of_template = Exists(TemplateVolume.objects.filter(volume=OuterRef("pk")))
    rows = among.filter(
        ~used, ~below, ~kept, ~of_template, present=True, changed_at__lt=now - UNTOUCHED["disk"],
        state__in=(Volume.State.READY, Volume.State.REFUSED),
    ).exclude(refusal__in=("folder", "device"))  # fmt: skip
    # What one installs from as a disk is kept to be copied.
    rows = rows.filter(Q(image_copy=None) | Q(image_copy__image__kind=Image.Kind.ISO))
    several = list(rows.select_related("storage", "image_copy__image").order_by())
    pools = heard_pools({volume.storage_id for volume in several})
    several = [volume for volume in several if volume.storage_id in pools]
    pks = [volume.pk for volume in several]
    going = visible_volumes(who, "delete").filter(pk__in=pks).order_by().values_list("pk", flat=True)
    may = set(going) if pks else set()
    found = []
    for volume in several:
        kind = kind_of(volume)
        if volume.changed_at and volume.changed_at < now - UNTOUCHED[kind]:
            found.append(
                Item(
                    kind,
                    volume=volume,
                    pool=pools[volume.storage_id],
                    saves_bytes=volume.allocation_bytes,
                    may=volume.pk in may,
                )
            )
    return found


def of_snapshots(who: Who, among: QuerySet[VirtualMachine]) -> list[Item]:
    """On those of the VMs' snapshots that are old by their hosts' clocks and that no schedule keeps."""
    scheduled = ScheduledSnapshot.objects.filter(
        vm=OuterRef("placement__current_of"), name=OuterRef("name"), state__in=schedules.HELD
    )
    vms = among.order_by().values("pk")
    rows = Snapshot.objects.filter(~Exists(scheduled), placement__current_of__in=vms, taken_at__lt=timezone.now() - OLD)
    several = list(rows.select_related("placement__current_of").defer("live", "next_boot").order_by())
    owned = {row.pk: row.placement.current_of for row in several}
    rights = held_each(who, NEEDS["snapshot"], {vm.pk for vm in owned.values()}) if several else {}
    return [
        Item("snapshot", vm=owned[row.pk], snapshot=row, may=rights[owned[row.pk].pk] >= NEEDS["snapshot"])
        for row in several
    ]


def kind_of(volume: Volume) -> Kind:
    image = getattr(volume, "image_copy", None)
    is_iso = image is not None or volume.told_format == "iso" or volume.name.lower().endswith(".iso")
    return "iso" if is_iso else "disk"


def heard_pools(storages: Iterable[int]) -> dict[int, StoragePool]:
    """{storage: the pool by which it is reached}, of those that every host which has them tells of now."""
    found: dict[int, StoragePool] = {}
    silent = set()
    for pool in operations.by_reach(StoragePool.objects.filter(storage__in=set(storages))).defer("document"):
        found.setdefault(pool.storage_id, pool)
        if freshness(pool.host) != "live":
            silent.add(pool.storage_id)
    return {storage: pool for storage, pool in found.items() if storage not in silent and pool.active}


def get_or_404(who: Who, id: str) -> Item:
    """What is advised now under that id. Raises Http404."""
    kind, thing = thing_or_404(who, id)
    items: list[Item]
    if isinstance(thing, Snapshot):
        items = of_snapshots(who, visible_vms(who).filter(pk=thing.placement.current_of.pk))
    elif isinstance(thing, VirtualMachine):
        read = of_vms(who, visible_vms(who).filter(pk=thing.pk))
        items = [replace(one, vm=thing) for one in read]
    else:
        items = of_volumes(who, visible_volumes(who).filter(pk=thing.pk))
    found = next((one for one in with_left(items) if (one.kind, one.thing.pk) == (kind, thing.pk)), None)
    if found is None:
        raise Http404
    return found


def thing_or_404(who: Who, id: str) -> tuple[Kind, Thing]:
    """What an id is of, whether or not there is advice on it. Raises Http404."""
    name, _, number = id.partition("-")
    kind = next((one for one in KINDS if one == name), None)
    if kind is None or not (number.isascii() and number.isdigit() and len(number) < 19):
        raise Http404
    thing: Thing | None
    if kind == "snapshot":
        vms = visible_vms(who).order_by().values("pk")
        rows = Snapshot.objects.filter(pk=number, placement__current_of__in=vms)
        thing = rows.select_related("placement__current_of").first()
    elif kind in OF_VMS:
        thing = visible_vms(who).filter(pk=number).first()
    else:
        thing = visible_volumes(who).filter(pk=number).first()
    if thing is None:
        raise Http404
    return kind, thing


def apply(actor: Actor, item: Item, *, idempotency_key: str | None = None) -> Operation:
    """The operation that does it: shuts the idle VM down, gives it another size from its next start on, deletes the
    volume. Raises what that operation's own way of asking raises."""
    if item.volume:
        return volumes.delete(actor, item.volume, idempotency_key=idempotency_key)
    vm = item.vm
    if vm is None:
        raise LookupError("advice on nothing")
    if item.snapshot:
        return snapshots.delete(actor, vm, item.snapshot.name, idempotency_key=idempotency_key)
    if item.kind == "idle":
        return operations.request(SHUTDOWN, vm, actor=actor, idempotency_key=idempotency_key)
    sets = {"cpu": {"cpus": item.wants}} if item.kind == "cpus" else {"memory": {"memory": item.wants}}
    return shaping.ask(actor, vm, Wish(sets=sets, apply="next"), idempotency_key=idempotency_key)


def asked_before(actor: Actor, id: str, idempotency_key: str | None) -> Operation:
    """What the same request has begun, of which the advice is no more by now. Raises Http404 where there is none."""
    name, _, number = id.partition("-")
    known = operations.of_key(actor, idempotency_key) if idempotency_key else None
    kind = DOES.get(name)
    if known is None or kind is None or known.kind != kind.name:
        raise Http404
    # The number of a snapshot that is gone leads nowhere.
    if kind is not DELETE_SNAPSHOT and str(known.target_id) != number:
        raise Http404
    return known


@transaction.atomic
def leave(actor: Actor, id: str) -> None:
    """Nobody is given it any more, until somebody takes that back. Raises Http404, NotAllowed."""
    kind, thing = allowed(actor, id)
    _, is_new = LeftAlone.objects.get_or_create(
        kind=kind, **place(thing), defaults={"by": actor.user, "by_name": actor.user.get_username()}
    )
    if is_new:
        tell("left-alone:advice", actor, kind, thing)


@transaction.atomic
def take_back(actor: Actor, id: str) -> None:
    """It is given again. Raises Http404, NotAllowed."""
    kind, thing = allowed(actor, id)
    if LeftAlone.objects.filter(kind=kind, **place(thing)).delete()[0]:
        tell("took-back:advice", actor, kind, thing)


def place(thing: Thing) -> dict[str, Any]:
    if isinstance(thing, Snapshot):
        return {"snapshot": thing}
    return {"vm": thing} if isinstance(thing, VirtualMachine) else {"volume": thing}


def tell(action: str, actor: Actor, kind: Kind, thing: Thing) -> None:
    facts = {"snapshot": thing.name} if isinstance(thing, Snapshot) else {}
    on = thing.placement.current_of if isinstance(thing, Snapshot) else thing
    audit.record(action, actor=actor, target=on, advice=kind, **facts)
    live.announce([operations.named(on)])


def allowed(actor: Actor, id: str) -> tuple[Kind, Thing]:
    """Who may do it may say that it is not to be done."""
    kind, thing = thing_or_404(actor, id)
    vm = thing.placement.current_of if isinstance(thing, Snapshot) else thing
    if isinstance(vm, VirtualMachine):
        for privilege in sorted(NEEDS[kind]):
            require(actor, privilege, vm)
    elif isinstance(thing, Volume):
        require_deed(actor, "delete", thing)
    return kind, thing
