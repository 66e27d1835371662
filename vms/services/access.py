"""Why somebody may do something: through which grants, or through none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import Group
from django.http import Http404

from vms.errors import BadParameters
from vms.kinds import KINDS
from vms.kinds.privileges import PRIVILEGES
from vms.models import Grant, Host, Network, StoragePool, User, VirtualMachine
from vms.permissions import (
    NOUNS,
    Actor,
    get_host_or_404,
    get_network_or_404,
    get_pool_or_404,
    get_vm_or_404,
    held,
    in_force,
    may,
    reaching_thing,
)
from vms.services.grants import LOADED

Granted = VirtualMachine | Host | StoragePool | Network
FOUND_BY: Final[dict[str, Callable[[Actor, int], Granted]]] = {
    "vm": get_vm_or_404,
    "host": get_host_or_404,
    "pool": get_pool_or_404,
    "network": get_network_or_404,
}


@dataclass(frozen=True)
class Reason:
    """Whether he may, and why: switched_off and administrator are said of the account, grants are those that give it;
    lacking: the privileges that nothing gives him."""

    allowed: bool
    switched_off: bool
    administrator: bool
    grants: list[Grant]
    lacking: list[str]


def why(actor: Actor, user: str, verb: str, thing: str) -> Reason:
    """About oneself, or as an administrator, or as who may give rights there; thing is "vm:12", "host:3", "pool:4" or
    "network:5".

    Raises Http404 for who or what he may not know of, BadParameters for a verb that is neither kind nor privilege.
    """
    found = find(actor, thing)
    about = User.objects.filter(username=user).first()
    mine = about is not None and about.pk == actor.user.pk
    if about is None or not (mine or may(actor, "grant.any") or may(actor, "vm.access", found)):
        raise Http404
    return explain(about, needed(verb), found)


def find(actor: Actor, thing: str) -> Granted:
    noun, _, number = thing.partition(":")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise Http404
    if noun not in FOUND_BY:
        raise Http404
    return FOUND_BY[noun](actor, int(number))


def needed(verb: str) -> tuple[str, ...]:
    """The privileges that a kind of operation needs, or the one that is named."""
    if verb in PRIVILEGES:
        return (verb,)
    if verb in KINDS:
        return KINDS[verb].privileges
    raise BadParameters(field="verb")


def explain(user: User, privileges: tuple[str, ...], thing: Granted) -> Reason:
    holds = held(user, thing)
    groups = Group.objects.filter(user=user).values("pk")
    theirs = Grant.objects.filter(in_force(), reaching_thing(thing)).select_related(*LOADED)
    giving = theirs.filter(role__privileges__name__in=[name for name in privileges if not PRIVILEGES[name].root])
    grants = (giving.filter(user=user) | giving.filter(group__in=groups)).distinct().order_by("pk")
    return Reason(
        allowed=holds >= set(privileges),
        switched_off=not user.is_active,
        administrator=user.is_administrator,
        grants=[grant for grant in grants if gives(grant, privileges, type(thing))],
        lacking=sorted(set(privileges) - holds),
    )


def gives(grant: Grant, privileges: tuple[str, ...], sort: type) -> bool:
    """Whether the grant counts for one of them on a thing of that sort: for those on hosts only where it is on a host
    or on everything."""
    held_by_role = set(grant.role.privileges.values_list("name", flat=True))
    wide = grant.everything or grant.host_id is not None
    counting = {name for name in held_by_role & set(privileges) if PRIVILEGES[name].noun in NOUNS[sort]}
    return any(wide or PRIVILEGES[name].noun != "host" for name in counting)
