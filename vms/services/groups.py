"""Groups of people that grants are given to. Who changes the members gives rights and takes them, so it is asked like
giving: only administrators, and never by a token."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import Http404

from vms import live
from vms.errors import BadFields
from vms.models import Grant, User
from vms.permissions import Actor, Who, in_force, require, require_fresh
from vms.services import audit, grants, quotas

PRIVILEGE: Final = "group.admin"
LONGEST: Final = 150


def find_groups(who: Who, q: str = "") -> QuerySet[Group]:
    """All by name, with members and rights (how many grants to it are in force); those whose name holds q. Raises
    NotAllowed."""
    require(who, PRIVILEGE)
    given = Count("grants", filter=in_force("grants__"), distinct=True)
    groups = Group.objects.annotate(members=Count("user", distinct=True), rights=given)
    return (groups.filter(name__icontains=q) if q else groups).order_by("name", "pk")


def members(who: Who, group: Group) -> QuerySet[User]:
    """Who is in it, by name. Raises NotAllowed."""
    require(who, PRIVILEGE)
    return User.objects.filter(groups=group).order_by("username", "pk")


def add(actor: Actor, name: str) -> Group:
    """The new group, which nobody is in. Raises NotAllowed, BadFields ("name")."""
    with transaction.atomic():
        lock(actor)
        group = Group.objects.create(name=fitting(name))
        tell("added:group", actor, group)
    return group


def rename(actor: Actor, group: Group, name: str) -> None:
    """Members and grants stay. Raises NotAllowed, Http404, BadFields ("name")."""
    with transaction.atomic():
        lock(actor)
        found = again(group)
        wanted = fitting(name, found)
        if wanted != found.name:
            Group.objects.filter(pk=found.pk).update(name=wanted)
            tell("renamed:group", actor, found, before=found.name, after=wanted)


def remove(actor: Actor, group: Group) -> None:
    """Its grants and its quota end with it, each with its line. Raises NotAllowed, Http404."""
    with transaction.atomic():
        lock(actor)
        found = again(group)
        for grant in grants.given_to(found):
            grants.tell("took:grant", actor, grant)
        quotas.change(actor, found, {})
        names = members(actor, found).values_list("username", flat=True)
        tell("removed:group", actor, found, members=", ".join(names))
        found.delete()


def join(actor: Actor, group: Group, name: str) -> None:
    """The user of exactly that name has what the group has. Raises NotAllowed, NotFresh, Http404, BadFields
    ("member")."""
    with transaction.atomic():
        lock(actor)
        require_fresh(actor)
        found = again(group)
        user = User.objects.filter(username=name).first()
        if user is None:
            raise BadFields({"member": "unknown_user"})
        if not members(actor, found).filter(pk=user.pk).exists():
            user.groups.add(found)
            tell("joined:group", actor, found, member=user.get_username())


def leave(actor: Actor, group: Group, user: User) -> None:
    """What the group has is no longer his. Raises NotAllowed, Http404."""
    with transaction.atomic():
        lock(actor)
        found = again(group)
        if members(actor, found).filter(pk=user.pk).exists():
            user.groups.remove(found)
            tell("left:group", actor, found, member=user.get_username())


def lock(actor: Actor) -> None:
    """One changes groups at a time, and whoever waited here is asked anew whether he may. Raises NotAllowed."""
    active = User.objects.select_for_update().filter(is_administrator=True, is_active=True).order_by("pk")
    list(active.values_list("pk", flat=True))
    grants.require_person(actor)
    now = User.objects.filter(pk=actor.user.pk).first()
    for privilege in (PRIVILEGE, grants.ANY):
        require(now, privilege)


def again(group: Group) -> Group:
    """As it is now; Http404 where somebody has removed it."""
    found = Group.objects.filter(pk=group.pk).first()
    if found is None:
        raise Http404
    return found


def fitting(name: str, own: Group | None = None) -> str:
    """The name as it is stored. Groups differ in more than capitals, so that nobody takes one for the other; own may
    keep its name. Raises BadFields."""
    wanted = unicodedata.normalize("NFC", name)
    if not (0 < len(wanted) <= LONGEST and wanted.isprintable() and wanted == wanted.strip()):
        raise BadFields({"name": "group_name" if name else "missing"})
    others = Group.objects.exclude(pk=own.pk) if own else Group.objects.all()
    if wanted.casefold() in {other.casefold() for other in others.values_list("name", flat=True)}:
        raise BadFields({"name": "group_taken"})
    return wanted


def tell(action: str, actor: Actor, group: Group, **facts: Any) -> None:
    """In the audit, and to open pages: to those of administrators by the group, to all by what its grants reach."""
    audit.record(action, actor=actor, group=group.name, **facts)
    live.announce([f"group:{group.pk}", *grants.reached_names(Grant.objects.filter(in_force(), group=group))])
