"""Sizes of new VMs, which administrators define and everybody chooses from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404

from vms import live
from vms.errors import BadFields
from vms.models import Size
from vms.permissions import Actor, require
from vms.services import audit, quotas
from vms.services.wishes import LARGEST_MIB, MOST_CPUS, SMALLEST_MIB, Wish

PRIVILEGE: Final = "size.admin"
LONGEST: Final = 40
# What the form calls a size that has no name.
OWN: Final = "own"
# The least and the most of each, and what is said of others.
BOUNDS: Final = {
    "vcpus": (1, MOST_CPUS, "size_vcpus"),
    "memory_mib": (SMALLEST_MIB, LARGEST_MIB, "vm_memory"),
    "disk_gib": (1, 64 << 10, "size_disk"),
}


def find_sizes() -> QuerySet[Size]:
    """All, the small ones first."""
    return Size.objects.all()


def usual() -> str:
    """The name of the one in the middle, OWN where there is none."""
    names = list(find_sizes().values_list("name", flat=True))
    return names[(len(names) - 1) // 2] if names else OWN


def get_size_or_404(actor: Actor, pk: int) -> Size:
    """One that he may change. Raises NotAllowed, Http404."""
    require(actor, PRIVILEGE)
    found = Size.objects.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def filled(wish: Wish) -> Wish:
    """The wish with what its size says where it says nothing: processors, memory, and how large the first disk that is
    made from nothing or from an image. Raises BadFields ("size") where there is no such size."""
    if wish.size == "":
        return wish
    by = {"pk": wish.size} if isinstance(wish.size, int) else {"name__iexact": wish.size}
    size = Size.objects.filter(**by).first()
    if size is None:
        raise BadFields({"size": "size_gone"})
    disks = list(wish.disks)
    for number, disk in enumerate(disks):
        if (disk.volume, disk.template, disk.packed) == (None, None, None):
            disks[number] = replace(disk, size_mib=disk.size_mib or size.disk_gib * 1024)
            break
    return replace(
        wish, cpus=wish.cpus or size.vcpus, memory_mib=wish.memory_mib or size.memory_mib, disks=tuple(disks)
    )


def too_large(actor: Actor) -> set[int]:
    """Those that need more than his quota has left."""
    left = quotas.left(actor.user)
    needs = {size.pk: takes(size) for size in find_sizes()} if left else {}
    return {pk for pk, amounts in needs.items() if any(amounts.get(name, 0) > rest for name, rest in left.items())}


def takes(size: Size) -> dict[str, int]:
    """What a VM of it takes of a quota, in the quota's units."""
    return {
        "vms": 1,
        "vcpus": size.vcpus,
        "memory_kib": size.memory_mib * 1024,
        "disk_bytes": size.disk_gib << 30,
    }


def add(actor: Actor, values: Mapping[str, Any]) -> Size:
    """A new one of that name, vcpus, memory_mib and disk_gib. Raises NotAllowed, BadFields by these names."""
    return store(actor, Size(), values)


def change(actor: Actor, size: Size, values: Mapping[str, Any]) -> Size:
    """Other values, as many as are given; what was made of it stays as it is. Raises NotAllowed, BadFields."""
    return store(actor, size, values)


def store(actor: Actor, size: Size, values: Mapping[str, Any]) -> Size:
    require(actor, PRIVILEGE)
    new = size.pk is None
    was = {name: getattr(size, name) for name in ("name", *BOUNDS)}
    now = {**was, **{name: values[name] for name in was if name in values}}
    if faults := wrong(now):
        raise BadFields(faults)
    for name, value in now.items():
        setattr(size, name, value)
    if now == was:
        return size
    try:
        with transaction.atomic():
            size.save()
            facts = now if new else audit.changes(was, now)
            audit.record("added:size" if new else "changed:size", actor=actor, size=size.name, **facts)
    except IntegrityError as error:
        raise BadFields({"name": "size_taken"}) from error
    live.announce(["*"])
    return size


def wrong(values: Mapping[str, Any]) -> dict[str, str]:
    """The code of each value that does not fit."""
    name = values["name"]
    named = 0 < len(name) <= LONGEST and name.isprintable() and name == name.strip() and name.casefold() != OWN
    faults = {} if named else {"name": "size_name" if name else "missing"}
    for field, (least, most, code) in BOUNDS.items():
        if values[field] is None or not least <= values[field] <= most:
            faults[field] = code
    return faults


def remove(actor: Actor, size: Size) -> None:
    """What was made of it stays. Raises NotAllowed, Http404 where somebody was faster."""
    require(actor, PRIVILEGE)
    with transaction.atomic():
        deleted, _ = Size.objects.filter(pk=size.pk).delete()
        if not deleted:
            raise Http404
        audit.record("removed:size", actor=actor, size=size.name)
    live.announce(["*"])
