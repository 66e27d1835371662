"""Giving rights and taking them away: plain changes of rows, each with its line in the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from vms import live
from vms.errors import BadFields, NotAllowed
from vms.models import Grant, Network, Role, StoragePool, User, VirtualMachine
from vms.permissions import (
    NOUNS,
    Actor,
    Thing,
    Who,
    get_host_or_404,
    get_network_or_404,
    get_pool_or_404,
    get_vm_or_404,
    in_force,
    may,
    may_grant,
    of_user,
    on_things,
    on_vm,
    reached_vms,
    reaching_thing,
    require,
    require_fresh,
)
from vms.services import audit

ANY: Final = "grant.any"
# What is said of a grant.
LOADED: Final = ("user", "group", "role", "host", "pool__host", "network__host", "vm", "granted_by")


@dataclass(frozen=True)
class Wish:
    """A grant that is asked for: to a user or a group by exact name, on one thing; name may end in "*"."""

    role: str
    user: str = ""
    group: str = ""
    everything: bool = False
    host: int | None = None
    pool: int | None = None
    network: int | None = None
    vm: int | None = None
    tag: str = ""
    name: str = ""
    ends_at: datetime | None = None


def give(actor: Actor, wish: Wish) -> Grant:
    """The grant; one that is there already gets the new end. Raises Http404 for a thing that he may not see, NotAllowed
    for a right that he may not give, NotFresh for one on more than a VM, BadFields."""
    vm = get_vm_or_404(actor, wish.vm) if wish.vm is not None else None
    things = {
        "host": get_host_or_404(actor, wish.host) if wish.host is not None else None,
        "pool": get_pool_or_404(actor, wish.pool) if wish.pool is not None else None,
        "network": get_network_or_404(actor, wish.network) if wish.network is not None else None,
        "vm": vm,
    }
    if vm is None or actor.token:
        require_person(actor)
        require(actor, ANY)
        require_fresh(actor)
    role = Role.objects.filter(name=wish.role).first()
    if role is None or not means_something(role, wish, vm):
        raise BadFields({"role": "unknown_role"})
    if not may_grant(actor, role, vm):
        raise NotAllowed(privilege="vm.access" if vm else ANY)
    if wish.ends_at is not None and wish.ends_at <= timezone.now():
        raise BadFields({"ends_at": "past"})
    fields = {**holder(wish), **on(wish, things)}
    with transaction.atomic():
        known = Grant.objects.filter(in_force(), role=role, **fields).first()
        if known:
            Grant.objects.filter(pk=known.pk).update(ends_at=wish.ends_at)
        grant = known or Grant.objects.create(role=role, ends_at=wish.ends_at, granted_by=actor.user, **fields)
        grant.ends_at = wish.ends_at
        tell("gave:grant", actor, grant)
    return grant


def means_something(role: Role, wish: Wish, vm: VirtualMachine | None) -> bool:
    """Whether the role gives something on what is wished for."""
    if wish.everything or wish.host is not None:
        return True
    sort = StoragePool if wish.pool is not None else Network if wish.network is not None else None
    return bool(on_things(role, NOUNS[sort]) if sort else on_vm(role, vm))


def require_person(actor: Actor) -> None:
    """NotAllowed where a token asks: rights are given by people."""
    if actor.token:
        raise NotAllowed(privilege=ANY)


def holder(wish: Wish) -> dict[str, Any]:
    """To whom, as fields of a row."""
    if bool(wish.user) == bool(wish.group):
        raise BadFields({"user": "one_holder"})
    if wish.group:
        group = Group.objects.filter(name=wish.group).first()
        if group is None:
            raise BadFields({"group": "unknown_group"})
        return {"user": None, "group": group}
    user = User.objects.filter(username=wish.user).first()
    if user is None:
        raise BadFields({"user": "unknown_user"})
    return {"user": user, "group": None}


def on(wish: Wish, things: Mapping[str, Thing]) -> dict[str, Any]:
    """On what, as fields of a row; a name that ends in "*" is the beginning of names."""
    asked = {"everything": wish.everything, **things, "tag": wish.tag, "name": wish.name}
    if sum(bool(value) for value in asked.values()) != 1 or wish.name == "*":
        raise BadFields({"on": "one_thing"})
    begins = wish.name.endswith("*")
    return {
        **asked,
        "name": "" if begins else wish.name,
        "prefix": wish.name.removesuffix("*") if begins else "",
    }  # fmt: skip


def take_away(actor: Actor, grant: Grant) -> None:
    """End it. NotAllowed for one that he could not give."""
    require_person(actor)
    if not may_grant(actor, grant.role, grant.vm):
        raise NotAllowed(privilege="vm.access" if grant.vm else ANY)
    with transaction.atomic():
        tell("took:grant", actor, grant)
        Grant.objects.filter(pk=grant.pk).delete()


def own(actor: Actor, vm: VirtualMachine) -> Grant:
    """Whoever makes a VM owns it: for who creates, clones or imports one, in the transaction that makes its row."""
    role = Role.objects.get(name="owner")
    grant = Grant.objects.create(role=role, user=actor.user, vm=vm, granted_by=actor.user)
    tell("gave:grant", actor, grant)
    return grant


def tell(action: str, actor: Actor | None, grant: Grant, address: str = "") -> None:
    """In the audit, and to open pages: to those of administrators by the grant, to all by what it reaches."""
    target = grant.vm or grant.host
    audit.record(action, actor=actor, target=target, address=address, grant=grant.pk, **facts(grant))
    reached = [f"vm:{grant.vm_id}"] if grant.vm_id else reached_names(Grant.objects.filter(pk=grant.pk))
    live.announce([f"grant:{grant.pk}", *reached])


def reached_names(grants: QuerySet[Grant]) -> list[str]:
    """The names of the VMs that the grants reach; of so many that they are announced as everything, not all."""
    pks = reached_vms(grants).order_by("pk").values_list("pk", flat=True)
    return [f"vm:{pk}" for pk in pks[: live.MOST_NAMES + 1]]


def facts(grant: Grant) -> Mapping[str, Any]:
    """What the audit says of it."""
    return {
        "to": grant.user.get_username() if grant.user else f"group {grant.group}",
        "role": grant.role.name,
        "on": said(grant),
        "until": grant.ends_at.isoformat() if grant.ends_at else "",
    }


def said(grant: Grant) -> str:
    """What it is on, in one word: "vm 12", "tag web", "name web-*"."""
    what = {
        "host": f"host {grant.host_id}",
        "pool": f"pool {grant.pool_id}",
        "network": f"network {grant.network_id}",
        "vm": f"vm {grant.vm_id}",
        "tag": f"tag {grant.tag}",
        "name": f"name {grant.name}",
        "prefix": f"name {grant.prefix}*",
    }
    return what.get(grant.on, grant.on)


def visible_grants(who: Who, vm: VirtualMachine | None = None) -> QuerySet[Grant]:
    """Those in force that reach the VM, for who may give rights there; all, for administrators. Raises NotAllowed."""
    grants = Grant.objects.filter(in_force()).select_related(*LOADED)
    if vm is None:
        require(who, ANY)
        return grants.order_by("pk")
    require(who, "vm.access", vm)
    return grants.filter(reaching_thing(vm)).order_by("pk")


def own_grants(user: User) -> QuerySet[Grant]:
    """Those in force to him or to a group of his, the newest first."""
    return of_user(user.pk).select_related(*LOADED).order_by("-pk")


def given_to(group: Group) -> QuerySet[Grant]:
    """Those in force to the group, the newest first."""
    return Grant.objects.filter(in_force(), group=group).select_related(*LOADED).order_by("-pk")


def get_grant(who: Who, pk: int) -> Grant | None:
    """The grant, where he may know of it: an administrator all, else those on VMs on which he may give rights."""
    grant = Grant.objects.select_related(*LOADED).filter(pk=pk).first()
    if grant is None or may(who, ANY):
        return grant
    try:
        return visible_grants(who, grant.vm).filter(pk=pk).first()
    except NotAllowed:
        return None
