"""Grants as people read them: who may what, on what, until when, and whether the reader may take it away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext

from vms.kinds.privileges import ROLES
from vms.models import Grant, Host, User
from vms.permissions import Who, may_grant, seen_hosts
from vms.services.access import Reason
from vms.services.grants import visible_grants


@dataclass(frozen=True)
class Line:
    """One grant. whom and on are words; means says what the role is; may_end: whether the reader may take it away."""

    grant: Grant
    whom: str
    on: str
    means: str
    may_end: bool


def find_grants(who: Who, q: str = "") -> QuerySet[Grant]:
    """All in force, the newest first; q is part of the name of who has it, of the role, or of what it is on.

    Raises NotAllowed for who is no administrator.
    """
    found = visible_grants(who).order_by("-pk")
    if not q:
        return found
    places = (
        "user__username",
        "group__name",
        "role__name",
        "host__name",
        "pool__name",
        "network__name",
        "vm__name",
        "tag",
        "name",
        "prefix",
    )
    there = Q()
    for place in places:
        there |= Q(**{f"{place}__icontains": q})
    return found.filter(there)


def find_grants_of(who: Who, user: User) -> QuerySet[Grant]:
    """All in force that reach him: his own, then those of the groups that he is in. Raises NotAllowed."""
    groups = Group.objects.filter(user=user).values("pk")
    found = visible_grants(who).filter(Q(user=user) | Q(group__in=groups))
    return found.order_by(F("user").asc(nulls_last=True), "group__name", "pk")


def make_lines(grants: Iterable[Grant], who: Who) -> list[Line]:
    """In the same order; at most a query for the hosts and three a role, none of them for an administrator."""
    rows = list(grants)
    seen = seen_hosts(who, [host for grant in rows if (host := host_of(grant))])
    ends: dict[tuple[int, int | None], bool] = {}
    for grant in rows:
        asked = (grant.role_id, grant.vm_id)
        if asked not in ends:
            ends[asked] = may_grant(who, grant.role, grant.vm)
    return [
        Line(
            grant=grant,
            whom=whom(grant),
            on=on_words(grant, seen),
            means=gettext(ROLES[grant.role.name]) if grant.role.name in ROLES else "",
            may_end=ends[grant.role_id, grant.vm_id],
        )
        for grant in rows
    ]


def host_of(grant: Grant) -> Host | None:
    """The host that is named where the grant is."""
    thing = grant.pool or grant.network
    return thing.host if thing else grant.host


def whom(grant: Grant) -> str:
    """Who has it: a user's name, or "group staff"."""
    return grant.user.get_username() if grant.user else gettext("group {name}").format(name=grant.group)


def on_words(grant: Grant, seen: frozenset[int]) -> str:
    """What it is on: "tag web", "host node-1"; a host that is not among those seen has no name."""
    if grant.host:
        return gettext("host {name}").format(name=grant.host.name) if grant.host.pk in seen else gettext("its host")
    if grant.pool or grant.network:
        thing: Any = grant.pool or grant.network
        words = gettext("pool {name} of {host}") if grant.pool else gettext("network {name} of {host}")
        return words.format(name=thing.name, host=thing.host.name if thing.host.pk in seen else gettext("its host"))
    return {
        "everything": gettext("everything"),
        "vm": gettext("VM {name}").format(name=grant.vm.name if grant.vm else ""),
        "tag": gettext("tag {name}").format(name=grant.tag),
        "name": gettext("VMs called {name}").format(name=grant.name),
        "prefix": gettext("VMs called {name}").format(name=f"{grant.prefix}*"),
    }[grant.on]


def reason_sentence(reason: Reason, about: str, lines: Sequence[Line]) -> str:
    """Whether that person may do it, and what decides."""
    if reason.switched_off:
        return gettext("{name} may not: the account is switched off.").format(name=about)
    if reason.administrator:
        return gettext("{name} may: an administrator may do everything.").format(name=about)
    if not reason.allowed:
        return gettext("{name} may not: nothing gives it.").format(name=about)
    through = [
        gettext("{role} on {on} ({whom})").format(role=line.grant.role.name, on=line.on, whom=line.whom)
        for line in lines
    ]
    return gettext("{name} may: {grants}.").format(name=about, grants=", ".join(through))


def people(reader: User, lines: Iterable[Line]) -> list[str]:
    """Whom to ask about, of those the page names already: oneself first."""
    names = {line.grant.user.get_username() for line in lines if line.grant.user}
    return [reader.get_username(), *sorted(names - {reader.get_username()})]
