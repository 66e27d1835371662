"""What every page has around its content; asked of the database only by pages that show it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from vms.models import Host, Operation
from vms.permissions import Who, holds_somewhere, may, sees_ground, visible_hosts, visible_schedules
from vms.services import sessions
from vms.services.attention import open_operations
from vms.services.telling import as_told

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "kvmweb-theme"
ZONE_COOKIE = "kvmweb-zone"
# Operations that run are shown in the menu at the top.
MOST = 10
# What is shown of one, and what decides how much of it is told; a host's facts are large.
RUNNING = (
    "kind", "params", "target_name", "state", "progress", "queued_at", "waits_until", "error_code", "error_params",
    "host__name",
)  # fmt: skip


class Frame:
    """Each of them asked for once, where a page shows it. hosts: at most two, to know whether there is one; running:
    what runs now, at most ten; more_run: whether there is more of it; may_audit: whether what people did is shown to
    this one; may_users: whether accounts are; may_groups: whether groups are; may_pools, may_networks, may_images:
    whether there is something of the kind for him; may_create: whether there may be a host on which he makes VMs;
    may_grants: whether all grants are; may_quotas: whether quotas are; may_alerts, may_sinks: whether he may set
    alerts, and where they are told; may_schedules: whether there may be schedules for him; may_sizes: whether he may
    change the sizes of new VMs."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @cached_property
    def may(self) -> str:
        """All that the menus at the edge of a page depend on: where it is the same, they are."""
        asked = (
            self.may_pools, self.may_networks, self.may_images, self.may_audit, self.may_users, self.may_groups,
            self.may_grants, self.may_quotas, self.may_sizes,
        )  # fmt: skip
        hosts = str(self.hosts[0].pk) if len(self.hosts) == 1 else "many" if self.hosts else ""
        return f"{''.join(str(int(each)) for each in asked)} {hosts}"

    @property
    def user(self) -> Who:
        return self.request.user

    @cached_property
    def ground(self) -> frozenset[str]:
        return sees_ground(self.user)

    @cached_property
    def hosts(self) -> list[Host]:
        return list(visible_hosts(self.user).only("name").order_by("name")[:2])

    @cached_property
    def first_running(self) -> list[Operation]:
        """One more than is shown, to know whether there are more."""
        return as_told(self.user, open_operations(self.user).select_related("host").only(*RUNNING)[: MOST + 1])

    @property
    def running(self) -> list[Operation]:
        return self.first_running[:MOST]

    @property
    def more_run(self) -> bool:
        return len(self.first_running) > MOST

    @cached_property
    def may_audit(self) -> bool:
        return may(self.user, "audit.view")

    @cached_property
    def may_users(self) -> bool:
        return may(self.user, "user.admin")

    @cached_property
    def may_groups(self) -> bool:
        return may(self.user, "group.admin")

    @cached_property
    def may_grants(self) -> bool:
        return may(self.user, "grant.any")

    @cached_property
    def may_quotas(self) -> bool:
        return may(self.user, "quota.admin")

    @cached_property
    def may_alerts(self) -> bool:
        return may(self.user, "alert.admin")

    @cached_property
    def may_schedules(self) -> bool:
        return holds_somewhere(self.user, "vm.schedule") or visible_schedules(self.user).exists()

    @cached_property
    def may_sinks(self) -> bool:
        return may(self.user, "settings.admin")

    @cached_property
    def may_sizes(self) -> bool:
        return may(self.user, "size.admin")

    @property
    def may_pools(self) -> bool:
        return "pools" in self.ground

    @property
    def may_networks(self) -> bool:
        return "networks" in self.ground

    @property
    def may_images(self) -> bool:
        return "images" in self.ground

    @property
    def may_create(self) -> bool:
        return "hosts" in self.ground


def theme(request: HttpRequest) -> str:
    asked = request.COOKIES.get(THEME_COOKIE, "auto")
    return asked if asked in THEMES else "auto"


def frame(request: HttpRequest) -> dict[str, Any]:
    """For templates: theme, themes, frame, and how long the session has left."""
    session = getattr(request, "user_session", None)
    return {
        "theme": theme(request),
        "themes": THEMES,
        "frame": Frame(request),
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
