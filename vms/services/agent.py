"""A guest's agent: what it told last, why it tells nothing, and what may be asked of it.

What it tells is the guest's word: it is shown as that, and nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.utils import timezone

from vms import live
from vms.errors import BadFields
from vms.kinds import agent as kinds
from vms.kinds.volumes import GROW
from vms.libvirtxml import BadXML, DomainXML
from vms.models import AgentReport, Document, Freeze, GuestKeys, Operation, VirtualMachine, Volume
from vms.permissions import Actor, require
from vms.services import freezing, operations, ssh_keys
from vms.services.freshness import placed

VIEW: Final = "vm.agent.view"
FREEZE: Final = kinds.FREEZE.privileges[0]
PASSWORD: Final = kinds.PASSWORD.privileges[0]
# 1 to 200 characters: a guest has rules of its own.
LONGEST_PASSWORD: Final = 200
# A guest that uses this much less of its disk than there is has not grown into it; partitions' tables take a little.
GROWN: Final = 0.92
LATELY: Final = timedelta(days=7)

# none: no channel. next_start: its next start has one. off: it does not run. away: nobody is at the channel.
Channel = Literal["none", "next_start", "off", "away", "connected"]


@dataclass(frozen=True)
class Guest:
    """What is known of a VM's guest by its agent. told_at: when it told the facts, None for never in this run. error:
    the code of why it did not answer when it was asked last. frozen: its file systems are, or are about to be."""

    channel: Channel
    asked_at: datetime | None
    told_at: datetime | None
    error: str
    facts: dict[str, Any]
    frozen: Freeze | None
    keys: list[GuestKeys]


def guest(vm: VirtualMachine, *, keys: bool = False) -> Guest:
    """keys: with what was read of SSH keys, which only who may set them is shown."""
    placement = placed(vm)
    document = Document.objects.filter(placement=placement).only("live", "next_boot").first()
    report = AgentReport.objects.filter(placement=placement).first()
    runs = placement.run_id is not None
    current = report if report and report.run_id == placement.run_id and runs else None
    return Guest(
        channel=channel(document, runs=runs),
        asked_at=current.asked_at if current else None,
        told_at=current.told_at if current else None,
        error=current.error_code if current else "",
        facts=current.facts if current else {},
        frozen=freezing.of(vm),
        keys=list(GuestKeys.objects.filter(vm=vm).order_by("user")) if keys else [],
    )


def channel(document: Document | None, *, runs: bool) -> Channel:
    now, then = (agent_of(text) for text in ((document.live, document.next_boot) if document else ("", "")))
    if not runs:
        return "off" if then else "none"
    if now:
        return "connected" if now == "connected" else "away"
    return "next_start" if then else "none"


def agent_of(text: str) -> str:
    try:
        return DomainXML.parse(text).agent if text else ""
    except BadXML:
        return ""


def ask_again(actor: Actor, vm: VirtualMachine) -> None:
    """Have it asked soon, whatever was known; its page is told when it has answered."""
    require(actor, VIEW, vm)
    live.look(placed(vm).host_id, f"agent:{vm.pk}", wait=0)


def freeze(actor: Actor, vm: VirtualMachine, seconds: int, *, key: str | None = None) -> Operation:
    """The operation that freezes its file systems for so many seconds at most. Raises BadFields, and what
    operations.request() raises, as do those below."""
    require(actor, FREEZE, vm)
    if not kinds.SHORTEST <= seconds <= kinds.LONGEST:
        raise BadFields({"seconds": "freeze_seconds"})
    return operations.request(kinds.FREEZE, vm, actor=actor, params=kinds.Frozen(seconds), idempotency_key=key)


def thaw(actor: Actor, vm: VirtualMachine, *, key: str | None = None) -> Operation:
    return operations.request(kinds.THAW, vm, actor=actor, idempotency_key=key)


def set_time(actor: Actor, vm: VirtualMachine, *, key: str | None = None) -> Operation:
    return operations.request(kinds.TIME, vm, actor=actor, idempotency_key=key)


def set_password(actor: Actor, vm: VirtualMachine, user: str, password: str, *, key: str | None = None) -> Operation:
    """The password goes sealed to the worker and is kept nowhere."""
    require(actor, PASSWORD, vm)
    fits = 0 < len(password) <= LONGEST_PASSWORD and password.isprintable()
    wrong = {**wrong_user(user), **({} if fits else {"password": "account_password"})}
    if wrong:
        raise BadFields(wrong)
    return operations.request(
        kinds.PASSWORD, vm, actor=actor, params=kinds.Account(user), secrets={"password": password},
        idempotency_key=key,
    )  # fmt: skip


def change_keys(
    actor: Actor, vm: VirtualMachine, user: str, *, add: Sequence[str] = (), remove: Sequence[str] = (),
    key: str | None = None,
) -> Operation:  # fmt: skip
    """add: lines of keys; remove: fingerprints. Neither: what the user has is read."""
    require(actor, PASSWORD, vm)
    wrong = wrong_user(user)
    lines: list[str] = []
    try:
        lines = [" ".join(filter(None, ssh_keys.parse(line))) for line in add if line.strip()]
    except BadFields as bad:
        wrong["keys"] = bad.errors["key"]
    if max(len(lines), len(remove)) > kinds.MOST_KEYS:
        wrong["keys"] = "keys_many"
    if any(len(one) > 60 or not one.startswith("SHA256:") for one in remove):
        wrong["remove"] = "fingerprint"
    if wrong:
        raise BadFields(wrong)
    params = kinds.Keys(user, list(dict.fromkeys(lines)), list(dict.fromkeys(remove)))
    return operations.request(kinds.KEYS, vm, actor=actor, params=params, idempotency_key=key)


def wrong_user(user: str) -> dict[str, str]:
    return {} if kinds.is_user(user) else {"user": "account_user"}


@dataclass(frozen=True)
class OnDisk:
    """What the guest tells to have on one of the VM's disks, where it tells that. told_at: None where it does not.
    larger: the disk has room for noticeably more, or was grown lately and the guest tells nothing."""

    file_systems: list[dict[str, Any]]
    told_at: datetime | None
    larger: bool


def on_disk(vm: VirtualMachine, target: str, volume: Volume | None, *, may_view: bool) -> OnDisk:
    """Of the disk of that name. A file system over several disks says nothing of one. may_view: whether the reader may
    hear of what the guest tells."""
    grown = volume is not None and grown_lately(volume)
    placement = placed(vm)
    reports = AgentReport.objects.filter(placement=placement, run_id=placement.run_id).exclude(told_at=None)
    report = reports.first() if may_view and placement.run_id is not None else None
    found = [one for one in report.facts.get("file_systems", []) if one["disks"] == [target]] if report else []
    if report is None or not found:
        return OnDisk([], None, grown)
    taken = sum(one["total_bytes"] or 0 for one in found)
    known = all(one["total_bytes"] for one in found)
    larger = volume is not None and known and taken < volume.capacity_bytes * GROWN
    return OnDisk(found, report.told_at, larger)


def grown_lately(volume: Volume) -> bool:
    since = timezone.now() - LATELY
    return Operation.objects.filter(
        kind=GROW.name, target_kind="volume", target_id=volume.pk, state="succeeded", ended_at__gte=since
    ).exists()
