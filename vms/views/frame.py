"""What every page has around its content; asked of the database only by pages that show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from vms.models import Host, Operation
from vms.permissions import may, sees_ground, visible_hosts
from vms.services import sessions
from vms.services.attention import open_operations
from vms.services.telling import as_told

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "kvmweb-theme"
ZONE_COOKIE = "kvmweb-zone"


@dataclass(frozen=True)
class Frame:
    """hosts: at most two, to know whether there is one; running: what runs now, at most ten; may_audit: whether what
    people did is shown to this one; may_users: whether accounts are;
    may_groups: whether groups are; may_pools, may_networks, may_images: whether there is something of the kind for him;
    may_create: whether there may be a host on which he makes VMs;
    may_grants: whether all grants are; may_quotas: whether quotas are; may_sizes: whether this one
    may change the sizes of new VMs."""

    hosts: list[Host]
    running: list[Operation]
    may_audit: bool
    may_users: bool
    may_groups: bool
    may_pools: bool
    may_networks: bool
    may_images: bool
    may_create: bool
    may_grants: bool
    may_quotas: bool
    may_sizes: bool


def theme(request: HttpRequest) -> str:
    asked = request.COOKIES.get(THEME_COOKIE, "auto")
    return asked if asked in THEMES else "auto"


def make_frame(request: HttpRequest) -> Frame:
    ground = sees_ground(request.user)
    return Frame(
        hosts=list(visible_hosts(request.user).order_by("name")[:2]),
        running=as_told(request.user, open_operations(request.user).select_related("host")[:10]),
        may_audit=may(request.user, "audit.view"),
        may_users=may(request.user, "user.admin"),
        may_groups=may(request.user, "group.admin"),
        may_pools="pools" in ground,
        may_networks="networks" in ground,
        may_images="images" in ground,
        may_create="hosts" in ground,
        may_grants=may(request.user, "grant.any"),
        may_quotas=may(request.user, "quota.admin"),
        may_sizes=may(request.user, "size.admin"),
    )


def frame(request: HttpRequest) -> dict[str, Any]:
    """For templates: theme, themes, frame, and how long the session has left."""
    session = getattr(request, "user_session", None)
    return {
        "theme": theme(request),
        "themes": THEMES,
        "frame": SimpleLazyObject(lambda: make_frame(request)),
        "left": sessions.left(session) if session else None,
    }


def zone(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Pages tell times in the zone that the account chose, else in the browser's, which it says in a cookie; UTC where
    that is none."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        chosen = getattr(request.user, "time_zone", "")
        try:
            asked = ZoneInfo(chosen or unquote(request.COOKIES.get(ZONE_COOKIE, "UTC")))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            asked = ZoneInfo("UTC")
        with timezone.override(asked):
            return get_response(request)

    return middleware
