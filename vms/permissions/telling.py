"""What somebody may be told of what is done and what happens: of what he sees, and nothing of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404

from vms.kinds import MAKING
from vms.models import Happening, Host, Operation
from vms.permissions.reach import Scope, reached, reached_hosts
from vms.permissions.visible import (
    networks_in,
    pools_in,
    reaches,
    there,
    trashed_vms,
    visible_hosts,
    visible_networks,
    visible_pools,
    visible_vms,
)
from vms.permissions.volumes import ANY, visible_volumes, volumes_in
from vms.permissions.who import Who, account, in_scope, is_administrator

MANY_VMS = "vms:*"
EVERYTHING = "*"
SEEING = ("vm.view", "host.view")
# What leads out of everybody's sight: who asked for it hears how it ends.
OUT_OF_SIGHT = ("vm.trash", "vm.put-back", "vm.delete")


def on_visible(of_vms: Scope, of_hosts: Scope) -> tuple[Q, Q]:
    """Two conditions on rows that name a VM and a host, for who sees not all of both: he may see the VM, the host."""
    hosts = Host.objects.filter(reached_hosts(of_hosts), removed_at=None)
    return Q(vm__isnull=False) & there("vm__") & reached(of_vms, "vm__"), Q(host__in=hosts.values("pk"))


def visible_operations(who: Who) -> QuerySet[Operation]:
    """The operations on what he may see, on pools, where they name what others keep there, those of himself and in
    which he may do anything, and the deletions that he asked for; for an administrator also those on what is gone. One
    query before its own."""
    operations = Operation.objects.all()
    if is_administrator(who, *SEEING):
        return operations
    of_vms, of_hosts, of_pools, of_any, of_networks = reaches(who, *SEEING, "pool.use", ANY, "network.use")
    on_vms, on_hosts = on_visible(of_vms, of_hosts)
    his = Q(pool__in=pools_in(of_pools).values("pk"), actor_user=account(who))
    deletes = "vm.delete" in in_scope(who)
    mine = Q(kind__in=OUT_OF_SIGHT, actor_user=account(who)) if deletes else Q(pk__in=[])
    return operations.filter(
        (Q(target_kind="vm") & on_vms)
        # What he wanted to make and what is not there: its operation is all that tells of it.
        | Q(kind__in=MAKING, vm=None, actor_user=account(who))
        | mine
        | (Q(target_kind="host") & on_hosts)
        | (Q(target_kind="pool") & (his | Q(pool__in=pools_in(of_any).values("pk"))))
        | Q(target_kind="network", network__in=networks_in(of_networks).values("pk"))
        | Q(target_kind="volume", volume__in=volumes_in(who, of_vms, of_any, "see").values("pk"))
    )


def visible_happenings(who: Who) -> QuerySet[Happening]:
    """What happened to what he may see: to a VM, or to a host itself."""
    happenings = Happening.objects.all()
    if is_administrator(who, *SEEING):
        return happenings
    on_vms, on_hosts = on_visible(*reaches(who, *SEEING))
    return happenings.filter(on_vms | (Q(vm=None) & on_hosts))


def visible_names(who: Who, names: list[str]) -> list[str]:
    """Those of the announced names ("vm:12", "host:1", "pool:3", "op:7", "vms:*", "*") that he may be told.

    Of a host that he may not see, but on which he sees VMs, he is told that VMs changed. Two queries a noun that is
    announced, and at most four more.
    """
    if is_administrator(who, *SEEING):
        return names
    if account(who) is None:
        return []
    told = []
    rows: dict[str, Callable[[Who], QuerySet[Any]]] = {
        "vm": visible_vms, "host": visible_hosts, "op": visible_operations, "pool": visible_pools,
        "network": visible_networks, "volume": visible_volumes,
    }  # fmt: skip
    for noun, visible in rows.items():
        if asked := ids(names, noun):
            seen = visible(who).filter(pk__in=asked)
            told += [f"{noun}:{pk}" for pk in seen.order_by("pk").values_list("pk", flat=True)]
    hidden = ids(names, "host") - ids(told, "host")
    if hidden and visible_vms(who).filter(placement__host__in=hidden).exists():
        told.append(MANY_VMS)
    told += [name for name in (MANY_VMS, EVERYTHING) if name in names and name not in told and sees_any(who)]
    return told


def ids(names: Iterable[str], noun: str) -> set[int]:
    """The numbers of the names of that noun."""
    parts = (name.partition(":") for name in names)
    return {int(number) for kind, _, number in parts if kind == noun and number.isdigit()}


def sees_any(who: Who) -> bool:
    """Whether there is anything at all that he may see."""
    return visible_vms(who).exists() or visible_hosts(who).exists() or trashed_vms(who).exists()


def get_operation_or_404(who: Who, pk: int) -> Operation:
    """The operation; 404 when it does not exist or may not be seen."""
    operation = visible_operations(who).filter(pk=pk).first()
    if operation is None:
        raise Http404
    return operation
