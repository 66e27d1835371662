"""Why somebody may do something: through which grants, or through none."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import Group
from django.http import Http404

from vms.errors import BadParameters
from vms.kinds import KINDS
from vms.kinds.privileges import PRIVILEGES
from vms.models import Grant, Host, User, VirtualMachine
from vms.permissions import (
    Actor,
    get_host_or_404,
    get_vm_or_404,
    held,
    in_force,
    may,
    reaching,
    reaching_host,
)  # fmt: skip


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
    """About oneself, or as an administrator, or as who may give rights there; thing is "vm:12" or "host:3".

    Raises Http404 for who or what he may not know of, BadParameters for a verb that is neither kind nor privilege.
    """
    found = find(actor, thing)
    about = User.objects.filter(username=user).first()
    mine = about is not None and about.pk == actor.user.pk
    if about is None or not (mine or may(actor, "grant.any") or may(actor, "vm.access", found)):
        raise Http404
    return explain(about, needed(verb), found)


def find(actor: Actor, thing: str) -> VirtualMachine | Host:
    noun, _, number = thing.partition(":")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise Http404
    if noun == "vm":
        return get_vm_or_404(actor, int(number))
    if noun == "host":
        return get_host_or_404(actor, int(number))
    raise Http404


def needed(verb: str) -> tuple[str, ...]:
    """The privileges that a kind of operation needs, or the one that is named."""
    if verb in PRIVILEGES:
        return (verb,)
    if verb in KINDS:
        return KINDS[verb].privileges
    raise BadParameters(field="verb")


def explain(user: User, privileges: tuple[str, ...], thing: VirtualMachine | Host) -> Reason:
    holds = held(user, thing)
    groups = Group.objects.filter(user=user).values("pk")
    there = reaching(thing.pk) if isinstance(thing, VirtualMachine) else reaching_host(thing.pk)
    theirs = Grant.objects.filter(in_force(), there).select_related("user", "group", "role", "host", "vm", "granted_by")
    giving = theirs.filter(role__privileges__name__in=[name for name in privileges if not PRIVILEGES[name].root])
    grants = (giving.filter(user=user) | giving.filter(group__in=groups)).distinct().order_by("pk")
    return Reason(
        allowed=holds >= set(privileges),
        switched_off=not user.is_active,
        administrator=user.is_administrator,
        grants=[grant for grant in grants if gives(grant, privileges)],
        lacking=sorted(set(privileges) - holds),
    )


def gives(grant: Grant, privileges: tuple[str, ...]) -> bool:
    """Whether the grant counts for one of them: for those on hosts only where it is on a host or everything."""
    held_by_role = set(grant.role.privileges.values_list("name", flat=True))
    wide = grant.everything or grant.host_id is not None
    return any(name in held_by_role and (wide or PRIVILEGES[name].noun == "vm") for name in privileges)
