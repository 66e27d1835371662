"""May somebody do something: for one thing, for the rows of a page, and as a condition for many rows at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db.models import Exists, Q, Value

from vms.errors import NotAllowed
from vms.kinds.privileges import PRIVILEGES
from vms.kinds.scopes import covering
from vms.models import Grant, Host, Network, StoragePool, User, VirtualMachine, Volume
from vms.permissions.fresh import require_fresh_for
from vms.permissions.reach import (
    Membership,
    Scope,
    giving,
    in_force,
    of_outer_user,
    of_user,
    reached,
    reaching,
    reaching_host,
    reaching_there,
    scopes,
)
from vms.permissions.who import Who, account, in_scope, is_administrator

Thing = VirtualMachine | Host | StoragePool | Network | Volume | None
# What a grant that reaches such a thing can give there.
NOUNS: Final[dict[type, frozenset[str]]] = {
    VirtualMachine: frozenset({"vm", "host", "template"}),
    Host: frozenset({"host"}),
    # Images lie in pools: what may be done with them is given there.
    StoragePool: frozenset({"pool", "volume", "image"}),
    Network: frozenset({"network"}),
    # What may be done with one hangs on who uses it: vms.permissions.volumes.
    Volume: frozenset(),
}


def check_name(privilege: str) -> None:
    """ValueError where there is no such privilege: a misspelt one must not read as a no."""
    if privilege not in PRIVILEGES:
        raise ValueError(f"no such privilege: {privilege}")


def held(who: Who, thing: Thing = None) -> frozenset[str]:
    """All privileges on the thing, of a VM also those on its host; of the site for None. One query, for an
    administrator none."""
    user = account(who)
    if is_administrator(user):
        return in_scope(who)
    if user is None or thing is None or isinstance(thing, Volume):
        return frozenset()
    return given(of_user(user.pk).filter(reaching_thing(thing)), type(thing)) & in_scope(who)


def reaching_thing(thing: VirtualMachine | Host | StoragePool | Network) -> Q:
    """A condition on grants: it reaches the thing."""
    if isinstance(thing, VirtualMachine):
        return reaching(thing.pk)
    return reaching_host(thing.pk) if isinstance(thing, Host) else reaching_there(thing)


def given(grants: Any, sort: type) -> frozenset[str]:
    """The privileges that the grants give on a thing of that sort which they reach: on the host of a VM only those that
    are on the host or on everything. Nothing that equals root."""
    rows = grants.values_list("everything", "host", "role__privileges__name")
    found = {name for wide, host, name in rows if name in PRIVILEGES and (wide or host or noun_of(name) != "host")}
    return frozenset(name for name in found if noun_of(name) in NOUNS[sort] and not PRIVILEGES[name].root)


def noun_of(privilege: str) -> str:
    return PRIVILEGES[privilege].noun


def may(who: Who, privilege: str, thing: Thing = None) -> bool:
    """Whether the privilege is held on the thing (on the site, for None)."""
    check_name(privilege)
    return privilege in held(who, thing)


def require(who: Who, privilege: str, thing: Thing = None) -> None:
    """Nothing, or NotAllowed names the privilege; NotFresh where it equals root and the session's sign-in is old."""
    if not may(who, privilege, thing):
        raise NotAllowed(privilege=privilege)
    require_fresh_for(who, privilege)


def require_all(who: Who, privileges: Iterable[str], thing: Thing = None, *, fresh: bool = True) -> None:
    """The same for several, in one query. fresh: whether it matters how old the sign-in is."""
    holds = held(who, thing)
    for privilege in privileges:
        check_name(privilege)
        if privilege not in holds:
            raise NotAllowed(privilege=privilege)
        if fresh:
            require_fresh_for(who, privilege)


def holders(privilege: str, user: str = "user", vm: str = "vm", by: str = "token") -> Q:
    """may() as a condition on rows that name a user, the token that he asked by, if any, and a VM, to ask about many at
    once."""
    check_name(privilege)
    can = Q(**{f"{user}__is_active": True}) & using(privilege, by)
    if PRIVILEGES[privilege].root:
        return can & Q(**{f"{user}__is_administrator": True})
    there = giving(of_outer_user(user), privilege).filter(reaching(vm))
    return can & (Q(**{f"{user}__is_administrator": True}) | Q(Exists(there)))


def using(privilege: str, by: str) -> Q:
    """A condition on rows: they name no token at the path, or one of which a scope lets the privilege through."""
    scopes = [Q(**{f"{by}__scopes__contains": f" {name} "}) for name in covering(privilege)]
    return reduce(or_, scopes, Q(**{f"{by}__isnull": True}))


def held_each(who: Who, privileges: Collection[str], vms: Collection[int]) -> dict[int, frozenset[str]]:
    """Of these privileges those that are held on each of the VMs, for the rows of a page; two queries at most."""
    for privilege in privileges:
        check_name(privilege)
    user, usable = account(who), in_scope(who).intersection(privileges)
    if is_administrator(user):
        return dict.fromkeys(vms, usable)
    found: dict[int, set[str]] = {vm: set() for vm in vms}
    if user is None or not vms:
        return {vm: frozenset() for vm in vms}
    alike: dict[Scope, list[str]] = {}
    for privilege, scope in scopes(of_user(user.pk), [name for name in usable if not PRIVILEGES[name].root]).items():
        alike.setdefault(scope, []).append(privilege)
    parts = [
        VirtualMachine.objects.filter(reached(scope), pk__in=vms).order_by().values_list("pk", Value(number))
        for number, scope in enumerate(alike)
    ]
    groups = list(alike.values())
    for vm, number in parts[0].union(*parts[1:], all=True) if parts else ():
        found[vm].update(groups[number])
    return {vm: frozenset(names) for vm, names in found.items()}


def standing(users: Iterable[User]) -> dict[int, frozenset[tuple[int, int]]]:
    """{user: what his rights hang on}, to see that they changed: which grants to him or his groups are in force, with
    their roles. Two queries for all."""
    pks = [user.pk for user in users]
    groups: dict[int, set[int]] = {}
    for user, group in Membership.objects.filter(user__in=pks).values_list("user_id", "group_id"):
        groups.setdefault(group, set()).add(user)
    found: dict[int, set[tuple[int, int]]] = {pk: set() for pk in pks}
    grants = Grant.objects.filter(in_force(), Q(user__in=pks) | Q(group__in=groups))
    for pk, role, to_user, to_group in grants.values_list("pk", "role_id", "user_id", "group_id"):
        for user in {to_user} if to_user else groups.get(to_group, set()):
            found[user].add((pk, role))
    return {user: frozenset(rights) for user, rights in found.items()}
