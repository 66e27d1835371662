"""Every page by the URL resolver, so that none is forgotten, with the addresses that a running dashboard has for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Page

# Routes that are no page: fragments, JSON, actions, checks. A new route is a page until it stands here.
NO_PAGES = {
    "vm-rows", "vm-numbers", "vm-header", "running", "internal-session", "theme", "vm-bulk", "vm-batch",
    "vm-console-ticket", "vm-console-card", "vm-console-take-over", "vm-serial-card", "vm-viewer", "host-get-ready",
    "operation-cancel", "operation-read", "account_inactive",
    "host-test", "host-accept-machine", "host-accept-key", "host-refuse-key", "host-new-key", "host-leave-alone",
    "host-take-up", "user-invite", "user-disable", "user-enable", "user-promote", "user-demote", "user-sign-out",
    "session-end", "console-close", "session-active", "session-left", "token-revoke",
    "user-reset-factors",
    "password-keep", "account-time-zone", "account-two-step-codes", "account-two-step-off", "account-ssh-key-remove",
    "group-join", "group-leave", "group-rename", "vm-tags", "vm-bulk-tags", "healthz", "readyz", "metrics",
    "vm-bulk-migrate",
    "vm-metrics-csv", "host-metrics-csv", "pool-metrics-csv", "vm-sparks", "vm-screens",
    "volume-grow", "volume-clone", "volume-check", "vm-new-preview", "vm-new-added", "vm-keep-cd", "vm-bulk-delete",
    "trash-put-back", "vm-clone-preview", "vm-migrate-preview", "template-vm", "template-offer", "vm-xml-preview",
    "vm-version-restore",
    "vm-hardware-preview", "vm-protect", "vm-move-disk", "vm-cds", "vm-cd", "vm-agent-ask", "vm-agent-freeze",
    "vm-agent-thaw", "alert-acknowledge", "alert-silence-end", "alert-sink-test", "vm-agent-time",
    "vm-agent-password", "vm-agent-keys", "advice-leave", "advice-take-back", "schedule-switch", "schedule-run",
    "host-move-route",
}  # fmt: skip
QUESTIONS = {
    "vm-nmi",
    "vm-reset",
    "vm-force-off",
    "vm-discard-saved",
    "vm-delete",
    "vm-rename",
    "vm-dump",
    "vm-clone",
    "vm-migrate",
    "vm-cloud-init",
    "vm-template",
}


def routes(patterns: list[Any] | None = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(name, route) of every named route outside the API."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if not route.startswith("api/"):
                yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and pattern.name and not route.startswith("api/"):
            yield pattern.name, route


def is_page(name: str, route: str) -> bool:
    from vms.kinds import KINDS

    verbs = {f"vm-{kind.verb}" for kind in KINDS.values()}
    return name not in NO_PAGES and (name not in verbs or name in QUESTIONS)


def addresses(page: Page, base: str) -> dict[str, str]:
    """{route name: address}, with the ids of the first VM, host and operation that the dashboard shows."""
    ids = {kind: first_id(page, base, kind, where) for kind, where in
           (("vms", "/vms/"), ("hosts", "/"), ("operations", "/activity/"))}  # fmt: skip
    found = {}
    for name, route in routes():
        kind = route.split("/")[0]
        if is_page(name, route) and ("<int:pk>" not in route or ids.get(kind)):
            found[name] = f"{base}/{route.replace('<int:pk>', ids.get(kind, ''))}"
    return found


def first_id(page: Page, base: str, kind: str, where: str) -> str:
    page.goto(base + where)
    found = re.search(rf'href="/{kind}/(\d+)/"', page.content())
    return found.group(1) if found else ""
