"""Quotas as people read them: whose, and of each limited resource how much is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F, Q
from django.utils.translation import gettext

from vms.models import RESOURCES, Quota, User
from vms.services.quotas import used
from vms.services.sentences import amount


@dataclass(frozen=True)
class Part:
    """One limit. said: "3 VMs of at most 10 VMs"; full: nothing more fits."""

    said: str
    full: bool


@dataclass(frozen=True)
class Line:
    """One quota."""

    quota: Quota
    whose: str
    parts: list[Part]


def of_user(user: User) -> list[Line]:
    """The user's own, and those of the groups that he is in."""
    quotas = Quota.objects.filter(Q(user=user) | Q(group__in=user.groups.all())).select_related("user", "group")
    return make_lines(quotas.order_by(F("group__name").asc(nulls_first=True), "pk"))


def make_lines(quotas: Iterable[Quota]) -> list[Line]:
    """In the same order; three queries each."""
    return [Line(quota=quota, whose=whose(quota), parts=make_parts(quota)) for quota in quotas]


def whose(quota: Quota) -> str:
    """A user's name, or "group staff"."""
    return quota.user.get_username() if quota.user else gettext("group {name}").format(name=quota.group)


def make_parts(quota: Quota) -> list[Part]:
    subject = quota.user or quota.group
    now = used(subject) if subject else {}
    return [
        Part(
            said=gettext("{used} of at most {limit}").format(used=amount(name, now[name]), limit=amount(name, limit)),
            full=now[name] >= limit,
        )
        for name in RESOURCES
        if (limit := getattr(quota, name)) is not None
    ]
