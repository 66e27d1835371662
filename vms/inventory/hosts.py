"""Writing what is known of a host itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from vms.errors import VirtError
from vms.inventory.rows import LONGEST_NAME
from vms.models import Happening, Host, Network
from vms.virt import HostFacts


def heard(host: Host) -> set[str]:
    """The host has just answered; not announced, unless it was silent before."""
    told = Host.objects.filter(pk=host.pk, error_code="").update(heard_at=Now())
    if told:
        return set()
    Host.objects.filter(pk=host.pk).update(heard_at=Now(), error_code="", error_details="", error_params={})
    Happening.objects.create(host=host, code="host_heard")
    return {f"host:{host.pk}", "vms:*"}


def silent(host: Host, error: VirtError) -> set[str]:
    """The host does not answer, and why; one Happening however long it lasts."""
    before = Host.objects.filter(pk=host.pk).values_list("error_code", "error_params").first()
    if before is None or before == (error.code, error.params):
        return set()
    Host.objects.filter(pk=host.pk).update(
        error_code=error.code, error_details=error.details, error_params=error.params
    )  # fmt: skip
    if not before[0]:
        Happening.objects.create(host=host, code="host_silent", params={"error": error.code})
    return {f"host:{host.pk}", "vms:*"}


def as_stored(told: HostFacts, missing: list[str]) -> dict[str, Any]:
    """The column for what it says of itself, and what "Get it ready" would do."""
    stored: dict[str, Any] = plain({**asdict(told), "missing": missing})
    for pool in stored["pools"]:
        del pool["document"]
    return stored


def is_news(host: Host, stored: dict[str, Any]) -> bool:
    """Whether facts() would write something; asked before there is a transaction."""
    return Host.objects.filter(pk=host.pk).exclude(facts=stored).exists()


def facts(host: Host, stored: dict[str, Any]) -> set[str]:
    """Store what it says of itself, and of its networks that they are there."""
    changed = Host.objects.filter(pk=host.pk).exclude(facts=stored).update(facts=stored)
    if not changed:
        return set()
    keep(Network.objects.filter(host=host), host, stored["networks"])
    return {f"host:{host.pk}"}


def keep(rows: QuerySet[Any], host: Host, told: list[dict[str, Any]]) -> None:
    """Rows for what the host lists. What it lists no more keeps its row, and with it the grants, for its return."""
    there = {UUID(item["uuid"]): item["name"][:LONGEST_NAME] for item in told}
    rows.exclude(uuid__in=there).filter(present=True).update(present=False)
    for uuid, name in there.items():
        rows.update_or_create(host=host, uuid=uuid, defaults={"name": name, "present": True})


def plain(value: Any) -> Any:
    """Tuples as lists, so that what is stored equals what was to be stored."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
