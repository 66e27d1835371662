"""What grants reach, asked of the database at the moment of the question: nothing is worked out beforehand that could
be old.

The same relation from both ends: reached() is a condition on VMs for somebody's grants, reaching() one on
grants for a VM; a test holds them together. Names are compared by = and by equal beginnings, which
both databases do sign by sign, case included.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Left, Length
from django.db.models.lookups import Exact
from django.utils import timezone

from vms.models import Grant, Network, StoragePool, Tag, User, VirtualMachine
from vms.models.rights import ON

Membership: Any = User.groups.through


def in_force(at: str = "") -> Q:
    """A condition on grants, those at the path ("grants__")."""
    return Q(**{f"{at}ends_at": None}) | Q(**{f"{at}ends_at__gt": timezone.now()})


def of_user(user: int) -> QuerySet[Grant]:
    """The grants in force to the user and to the groups that he is in."""
    groups = Membership.objects.filter(user=user).values("group")
    return Grant.objects.filter(in_force(), Q(user=user) | Q(group__in=groups))


def of_outer_user(path: str) -> QuerySet[Grant]:
    """The same for the user at the path of the rows of the query around it."""
    groups = Membership.objects.filter(user=OuterRef(OuterRef(path))).values("group")
    return Grant.objects.filter(in_force(), Q(user=OuterRef(path)) | Q(group__in=groups))


def giving(grants: QuerySet[Grant], privilege: str) -> QuerySet[Grant]:
    """Those whose role holds the privilege."""
    return grants.filter(role__privileges__name=privilege)


@dataclass(frozen=True)
class Scope:
    """What some grants are on, all together."""

    everything: bool = False
    hosts: frozenset[int] = frozenset()
    pools: frozenset[int] = frozenset()
    networks: frozenset[int] = frozenset()
    vms: frozenset[int] = frozenset()
    tags: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()


# What a grant is on, in the order of a scope.
COLUMNS = tuple(name if empty is not None else f"{name}_id" for name, empty in ON.items())


def scopes(grants: QuerySet[Grant], privileges: Collection[str]) -> dict[str, Scope]:
    """{privilege: what those of the grants are on whose role holds it}; one query."""
    rows = grants.filter(role__privileges__name__in=privileges).values_list("role__privileges__name", *COLUMNS)
    found: dict[str, list[tuple[Any, ...]]] = {privilege: [] for privilege in privileges}
    for privilege, *on in rows:
        found[privilege].append(tuple(on))
    return {privilege: scope(ons) for privilege, ons in found.items()}


def whole_scope(grants: QuerySet[Grant]) -> Scope:
    """What all of the grants are on, whatever their roles hold."""
    return scope(list(grants.values_list(*COLUMNS)))


def scope(ons: list[tuple[Any, ...]]) -> Scope:
    wide, *named = zip(*ons, strict=True) if ons else ((),) * len(ON)
    return Scope(any(wide), *(frozenset(value for value in values if value) for values in named))


def reached(scope: Scope, at: str = "") -> Q:
    """A condition on VMs, or on rows that name one at the path ("vm__"): it is in the scope.

    Written out in values, because an OR of subqueries that is asked of ten thousand VMs takes longer than all the rest.
    """
    if scope.everything:
        return Q()
    tagged = Tag.objects.filter(name__in=scope.tags).values("vm")
    parts = [Q(Exact(Left(f"{at}name", len(prefix)), prefix)) for prefix in sorted(scope.prefixes)]
    parts += [Q(**{f"{at}pk__in": scope.vms})] if scope.vms else []
    parts += [Q(**{f"{at}placement__host__in": scope.hosts})] if scope.hosts else []
    parts += [Q(**{f"{at}pk__in": tagged})] if scope.tags else []
    parts += [Q(**{f"{at}name__in": scope.names})] if scope.names else []
    return reduce(or_, parts, Q(pk__in=[]))


def reaching(vm: int | str) -> Q:
    """A condition on grants: it reaches the VM, or the one at the path of the rows of the query around it."""
    near: Any = OuterRef(vm) if isinstance(vm, str) else vm
    far: Any = OuterRef(OuterRef(vm)) if isinstance(vm, str) else vm
    there = VirtualMachine.objects.filter(pk=far)
    begins = there.annotate(beginning=Left("name", Length(OuterRef("prefix")))).filter(beginning=OuterRef("prefix"))
    return (
        Q(everything=True)
        | Q(vm=near)
        | Q(host__in=there.filter(placement__isnull=False).values("placement__host"))
        | Q(tag__in=Tag.objects.filter(vm=far).values("name"))
        | Q(name__in=there.exclude(name="").values("name"))
        | (~Q(prefix="") & Q(Exists(begins)))
    )


def reached_hosts(scope: Scope) -> Q:
    """A condition on hosts: it is in the scope by itself."""
    return Q() if scope.everything else Q(pk__in=scope.hosts)


def reaching_host(host: int) -> Q:
    """A condition on grants: it is on the host or on everything."""
    return Q(everything=True) | Q(host=host)


def reached_there(scope: Scope, chosen: frozenset[int]) -> Q:
    """A condition on pools or networks, chosen being those that the scope names: it is in the scope."""
    return Q() if scope.everything else Q(pk__in=chosen) | Q(host__in=scope.hosts)


def reaching_there(thing: StoragePool | Network) -> Q:
    """A condition on grants: it is on the pool or the network, on its host or on everything."""
    itself = Q(pool=thing.pk) if isinstance(thing, StoragePool) else Q(network=thing.pk)
    return reaching_host(thing.host_id) | itself
