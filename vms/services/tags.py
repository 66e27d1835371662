"""Tags: words of ours on VMs. Grants select by them, so a tag comes only where it gives nobody a right too much."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from django.db import transaction
from django.db.models import Count

from vms import live
from vms.errors import BadFields, GivesRights, NotAllowed
from vms.models import Grant, Tag, VirtualMachine
from vms.permissions import Actor, Who, gives_too_much, in_force, may, visible_vms
from vms.services import audit

PRIVILEGE: Final = "vm.label"
LONGEST: Final = 50
MOST: Final = 20


def read(words: Iterable[str]) -> set[str]:
    """The tags as they are stored. Raises BadFields where one is none."""
    found = {unicodedata.normalize("NFC", word) for word in words}
    if not all(fits(word) for word in found):
        raise BadFields({"tags": "tag"})
    return found


def fits(word: str) -> bool:
    return 0 < len(word) <= LONGEST and word.isprintable() and "," not in word and word == word.strip()


def change(actor: Actor, vms: Sequence[VirtualMachine], *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
    """All of them get these tags and lose those, or none does. Raises BadFields, NotAllowed, GivesRights."""
    added, removed = read(add), set(remove)
    with transaction.atomic():
        for vm in vms:
            before = names(vm)
            put(actor, vm, before, (before - removed) | added)


def replace(actor: Actor, vm: VirtualMachine, tags: Iterable[str]) -> None:
    """The VM has these tags and no others. Raises BadFields, NotAllowed, GivesRights."""
    wanted = read(tags)
    with transaction.atomic():
        put(actor, vm, names(vm), wanted)


def names(vm: VirtualMachine) -> set[str]:
    """Its tags as they are now, and nobody else changes them before the transaction ends."""
    VirtualMachine.objects.select_for_update().get(pk=vm.pk)
    return set(Tag.objects.filter(vm=vm).values_list("name", flat=True))


def put(actor: Actor, vm: VirtualMachine, before: set[str], after: set[str]) -> None:
    if not may(actor, PRIVILEGE, vm):
        raise NotAllowed(privilege=PRIVILEGE, name=vm.name)
    if before == after:
        return
    if len(after) > max(MOST, len(before)):
        raise BadFields({"tags": "many_tags"}, name=vm.name)
    for tag in sorted(after - before):
        arriving = Grant.objects.filter(in_force(), tag=tag).select_related("role")
        if gives_too_much(actor, vm, arriving):
            raise GivesRights(name=vm.name, tag=tag)
        Tag.objects.create(vm=vm, name=tag)
    Tag.objects.filter(vm=vm, name__in=before - after).delete()
    audit.record("tagged:vm", actor=actor, target=vm, before=sorted(before), after=sorted(after))
    live.announce([f"vm:{vm.pk}", live.ACCESS])


def counts_on(vms: Iterable[VirtualMachine]) -> list[tuple[str, int]]:
    """(tag, how many of these VMs have it), by name."""
    tags = Tag.objects.filter(vm__in=[vm.pk for vm in vms]).order_by("name")
    return list(tags.values_list("name").annotate(Count("pk")))


def counts(who: Who) -> list[tuple[str, int]]:
    """(tag, VMs that have it) for those VMs that he sees, by name."""
    tags = Tag.objects.filter(vm__in=visible_vms(who).order_by().values("pk")).order_by("name")
    return list(tags.values_list("name").annotate(Count("pk")))
