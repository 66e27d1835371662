"""What a guest's agent told, as it is stored."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from vms.models import AgentReport, Placement
from vms.virt import GuestInfo

# What is another each time is no news to whoever has the page open.
RESTLESS: Final = ("ahead_seconds", "file_systems")


def store(placement: Placement, asked_at: datetime, said: GuestInfo | None, error: str, *, show: bool) -> set[str]:
    """Keep it; said: None where it did not answer, and what it told last stays then. The VM's name where that is news,
    or where somebody waits for it (show)."""
    before = AgentReport.objects.filter(placement=placement).first()
    fields: dict[str, Any] = {"run_id": placement.run_id, "asked_at": asked_at, "error_code": error}
    if said is not None:
        fields |= {"facts": asdict(said), "told_at": asked_at}
    elif before is not None and before.run_id != placement.run_id:
        fields |= {"facts": {}, "told_at": None}
    AgentReport.objects.update_or_create(placement=placement, defaults=fields)
    return {f"vm:{placement.vm_id}"} if show or is_news(before, fields) else set()


def is_news(before: AgentReport | None, fields: dict[str, Any]) -> bool:
    if before is None or before.error_code != fields["error_code"]:
        return True
    return steady(fields.get("facts", before.facts)) != steady(before.facts)


def steady(facts: dict[str, Any]) -> str:
    """What of it stays as it is while nothing happens, in one way of writing."""
    return json.dumps({name: value for name, value in facts.items() if name not in RESTLESS}, sort_keys=True)
