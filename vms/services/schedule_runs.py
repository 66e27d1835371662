"""What workers do for schedules: begin what is due, ask for its snapshots in the owner's name, and thin out.

Every worker looks. A schedule is begun by whoever moves its next time on, and each snapshot is asked for by whoever
moves its next try on, in the transaction that makes the operation: each happens once (docs/decisions/0130).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.http import Http404
from django.utils import timezone

from vms import live
from vms.errors import HostSilent, Locked, NotAllowed, RequestRefused
from vms.models import Operation, OperationState, Schedule, ScheduledSnapshot, ScheduleRun, Snapshot, VirtualMachine
from vms.permissions import Actor, visible_vms
from vms.permissions.visible import there
from vms.services import audit, retention, schedules, snapshots
from vms.services.freshness import placed
from vms.services.schedule_times import caught_up

logger = logging.getLogger(__name__)

# Of one run; it fails where there would be more.
MOST_VMS: Final = 100
# Open operations of one schedule.
AT_ONCE: Final = 4
AGAIN: Final = timedelta(seconds=30)
# So long a VM that is busy, or whose host is silent, is asked for.
PATIENCE: Final = timedelta(hours=1)
# Runs are remembered so long.
KEPT: Final = timedelta(days=90)
# What its owner may do no more is told in other words than to who asks.
LOST: Final = "schedule_rights"
BUSY: Final = (Locked, HostSilent)
RUNS: Final = ("running", "paused")
STATE: Final = ScheduledSnapshot.State
OPEN: Final = (STATE.WAITING, STATE.ASKED)
LEAVING: Final = (STATE.LEAVING, STATE.DELETING)


def turn(now: datetime | None = None) -> None:
    """Begin what is due, and take each open step one further."""
    now = now or timezone.now()
    open_run = ScheduleRun.objects.filter(schedule=OuterRef("pk"), ended_at=None)
    due = Schedule.objects.filter(~Exists(open_run), next_run_at__lte=now, enabled=True, stopped_code="")
    for schedule in due.select_related("owner", "vm", "host").order_by("next_run_at", "pk")[:20]:
        begin(schedule, now)
    steps: dict[str, Callable[[ScheduledSnapshot, datetime], None]] = {
        STATE.WAITING: take, STATE.ASKED: settle, STATE.LEAVING: delete, STATE.DELETING: settle
    }  # fmt: skip
    rows = ScheduledSnapshot.objects.filter(
        Q(state__in=(STATE.ASKED, STATE.DELETING)) | Q(state__in=(STATE.WAITING, STATE.LEAVING), try_at__lte=now)
    ).select_related("schedule__owner", "operation", "vm__placement")
    for row in rows.order_by("pk"):
        steps[row.state](row, now)
    open_rows = ScheduledSnapshot.objects.filter(
        Q(run=OuterRef("pk"), state__in=OPEN) | Q(schedule=OuterRef("schedule"), state__in=LEAVING)
    )
    for run in ScheduleRun.objects.filter(~Exists(open_rows), ended_at=None).select_related("schedule"):
        end(run, now)


def begin(schedule: Schedule, now: datetime) -> None:
    """One run for all the times that it was due, if no other worker has begun it."""
    due = schedule.next_run_at
    if due is None:
        return
    following, missed = caught_up(schedules.when(schedule), due, now)
    try:
        with transaction.atomic():
            mine = Schedule.objects.filter(pk=schedule.pk, next_run_at=due, enabled=True, stopped_code="")
            if not mine.update(next_run_at=following, last_run_at=now):
                return
            run = ScheduleRun.objects.create(schedule=schedule, due_at=due, missed=missed, begun_at=now)
            fill(run, schedule, now)
    except IntegrityError:
        # Another worker's run is open.
        return
    announce(schedule)


def fill(run: ScheduleRun, schedule: Schedule, now: datetime) -> None:
    """A row for each VM; where its owner may do this no more, it stops."""
    if why := broken(schedule):
        stop(run, schedule, why)
        return
    owner = schedule.owner
    reached = list(schedules.reach(owner, schedule)[: MOST_VMS + 1])
    if len(reached) > MOST_VMS:
        fault(run, "schedule_vms", {"most": MOST_VMS})
    rows = [new_row(run, schedule, vm, now) for vm in reached[:MOST_VMS]]
    lost = lost_vms(schedule, reached)
    if lost and not reached:
        stop(run, schedule, LOST)
        return
    made = ScheduledSnapshot.objects.filter(schedule=schedule, vm__in=lost).order_by("pk")
    called = dict(made.values_list("vm", "vm_name"))
    for vm in lost:
        # What it is called by now he may not know.
        row = new_row(run, schedule, vm, now)
        row.state, row.try_at, row.error_code = STATE.FAILED, None, LOST
        rows.append(row)
        row.vm_name = called[vm.pk]
        fault(run, LOST, {"vm": row.vm_name})
    ScheduledSnapshot.objects.bulk_create(rows)


def broken(schedule: Schedule) -> str:
    """Why it can never run again, "" where it can."""
    if schedule.owner is None or not schedule.owner.is_active:
        return "schedule_owner"
    if schedule.vm and schedule.vm.deleted_at is not None:
        return "schedule_vm_gone"
    removed = schedule.host and schedule.host.removed_at is not None
    return "schedule_host_gone" if removed else ""


def lost_vms(schedule: Schedule, reached: list[VirtualMachine]) -> list[VirtualMachine]:
    """Those of which it made snapshots, or the one that it is of, and with which its owner may no longer do this."""
    held = ScheduledSnapshot.objects.filter(schedule=schedule, state__in=schedules.HELD, vm=OuterRef("pk"))
    vms = VirtualMachine.objects.filter(there(), templated_at=None, placement__present=True)
    his = vms if schedule.vm_id else vms.filter(Exists(held))
    return list(schedules.selected(schedule, his).exclude(pk__in=[vm.pk for vm in reached]).order_by("pk")[:MOST_VMS])


def new_row(run: ScheduleRun, schedule: Schedule, vm: VirtualMachine, now: datetime) -> ScheduledSnapshot:
    name = free_name(schedule, vm, now)
    return ScheduledSnapshot(run=run, schedule=schedule, vm=vm, vm_name=vm.name, name=name, try_at=now)


def free_name(schedule: Schedule, vm: VirtualMachine, now: datetime) -> str:
    """Of the schedule's name and the time in its zone ("nightly-20261126-0230"); a night that has the hour twice has a
    second one."""
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", schedule.name).strip("-._") or "schedule"
    name = f"{plain[:40]}-{now.astimezone(ZoneInfo(schedule.zone)):%Y%m%d-%H%M}"
    taken = set(ScheduledSnapshot.objects.filter(vm=vm, name__startswith=name).values_list("name", flat=True))
    taken |= set(Snapshot.objects.filter(placement__current_of=vm).values_list("name", flat=True))
    return next(each for each in (name, *(f"{name}-{n}" for n in range(2, 100))) if each not in taken)


def take(row: ScheduledSnapshot, now: datetime) -> None:
    """Ask for the snapshot, as its owner, with what he may do now."""
    under_way = ScheduledSnapshot.objects.filter(schedule=row.schedule_id, state__in=(STATE.ASKED, STATE.DELETING))
    if under_way.count() >= AT_ONCE:
        return

    def ask(actor: Actor, vm: VirtualMachine) -> Operation:
        state, schedule = placed(vm).state, row.schedule
        return snapshots.take(
            actor, vm, name=row.name, description=f"Made by the schedule {schedule.name}.",
            memory=schedule.memory and state in RUNS, quiesce=schedule.quiesce and state == "running",
        )  # fmt: skip

    step(row, now, ask, STATE.ASKED, refuse_take)


def refuse_take(row: ScheduledSnapshot, code: str, params: Mapping[str, Any]) -> None:
    change(row, STATE.FAILED, error_code=code, error_params=dict(params))
    fault(row.run, code, {**params, "vm": row.vm_name})


def delete(row: ScheduledSnapshot, now: datetime) -> None:
    """Ask for the end of a snapshot that is kept no more; one of its name that is not it is somebody's."""
    if host_time(row) != row.host_taken_at:
        change(row, STATE.GONE)
        return

    def ask(actor: Actor, vm: VirtualMachine) -> Operation:
        return snapshots.delete(actor, vm, row.name)

    step(row, now, ask, STATE.DELETING, refuse_delete)


def host_time(row: ScheduledSnapshot) -> datetime | None:
    """When the snapshot of that name was taken, as the host tells; None where it lists none."""
    found = Snapshot.objects.filter(placement__current_of=row.vm_id, name=row.name)
    return found.values_list("taken_at", flat=True).first()


def refuse_delete(row: ScheduledSnapshot, code: str, params: Mapping[str, Any]) -> None:
    """It is kept until the next run thins out again."""
    change(row, STATE.TAKEN, error_code=code, error_params=dict(params))
    run = ScheduleRun.objects.filter(schedule=row.schedule_id, ended_at=None).first()
    fault(run, code, {**params, "vm": row.vm_name})


def step(
    row: ScheduledSnapshot,
    now: datetime,
    ask: Callable[[Actor, VirtualMachine], Operation],
    then: str,
    refuse: Callable[[ScheduledSnapshot, str, Mapping[str, Any]], None],
) -> None:
    """Ask for an operation in the owner's name; what is in its way for a while only is tried again."""
    mine = ScheduledSnapshot.objects.filter(pk=row.pk, state=row.state, try_at=row.try_at)
    since = row.tried_at or now
    if not mine.update(try_at=now + AGAIN, tried_at=since):
        return
    row.tried_at = since
    owner = row.schedule.owner
    try:
        with transaction.atomic():
            if owner is None:
                raise NotAllowed(privilege=schedules.NEEDS[0])
            actor = Actor(owner)
            vm = visible_vms(actor, schedules.NEEDS[0]).filter(pk=row.vm_id).first()
            if vm is None:
                raise NotAllowed(privilege=schedules.NEEDS[0])
            operation = ask(actor, vm)
            change(row, then, operation=operation, try_at=None)
    except BUSY as refused:
        if now - since > PATIENCE:
            # Who sees the schedule need not see the host.
            hidden = {"host": ""} if "host" in refused.params else {}
            refuse(row, refused.code, {**refused.params, **hidden})
    except NotAllowed:
        refuse(row, LOST, {})
    except RequestRefused as refused:
        refuse(row, refused.code, refused.params)
    except Http404:
        change(row, STATE.GONE)


def settle(row: ScheduledSnapshot, now: datetime) -> None:
    """What became of the operation."""
    operation = row.operation
    if operation is not None and operation.is_open:
        return
    taking = row.state == STATE.ASKED
    if operation is not None and operation.state == OperationState.SUCCEEDED:
        if not taking:
            change(row, STATE.GONE)
            return
        at, told = operation.ended_at or now, host_time(row)
        if told is None and now - at > PATIENCE:
            refuse_take(row, "schedule_unseen", {})
        elif told and change(row, STATE.TAKEN, taken_at=at, host_taken_at=told, tried_at=None):
            thin_out(row, now)
        return
    code = operation.error_code if operation else ""
    params = operation.error_params if operation else {}
    ended = "aborted" if operation and operation.state == OperationState.CANCELLED else "worker_lost"
    (refuse_take if taking else refuse_delete)(row, code or ended, params)


def thin_out(row: ScheduledSnapshot, now: datetime) -> None:
    """After a new one: what the policy keeps no more of this VM is to be deleted."""
    schedule = row.schedule
    taken = ScheduledSnapshot.objects.filter(schedule=schedule, vm=row.vm_id, state=STATE.TAKEN, taken_at__isnull=False)
    times = {pk: at for pk, at in taken.values_list("pk", "taken_at") if at}
    kept = retention.to_keep(times.values(), schedules.policy(schedule), ZoneInfo(schedule.zone))
    old = [pk for pk, at in times.items() if at not in kept]
    ScheduledSnapshot.objects.filter(pk__in=old, state=STATE.TAKEN).update(
        state=STATE.LEAVING, try_at=now, tried_at=None, error_code="", error_params={}
    )


def change(row: ScheduledSnapshot, state: str, **fields: Any) -> bool:
    """Whether this worker was the one that did it."""
    fields.setdefault("try_at", None)
    changed = ScheduledSnapshot.objects.filter(pk=row.pk, state=row.state).update(state=state, **fields)
    if changed:
        row.state = state
        live.announce([f"vm:{row.vm_id}"])
    return bool(changed)


def fault(run: ScheduleRun | None, code: str, params: Mapping[str, Any]) -> None:
    """The first thing that went wrong in the run."""
    if run:
        first = ScheduleRun.objects.filter(pk=run.pk, error_code="")
        first.update(error_code=code, error_params=dict(params))


def stop(run: ScheduleRun, schedule: Schedule, why: str) -> None:
    """It runs no more until somebody switches it on again."""
    fault(run, why, {})
    Schedule.objects.filter(pk=schedule.pk).update(stopped_code=why, next_run_at=None)
    audit.record("stopped:schedule", target=schedule.vm or schedule.host, schedule=schedule.name, why=why)
    logger.info("schedule %s stopped: %s", schedule.pk, why)


def end(run: ScheduleRun, now: datetime) -> None:
    """It is over, and its schedule says how it went; let go of what nobody asks for any more."""
    with transaction.atomic():
        if not ScheduleRun.objects.filter(pk=run.pk, ended_at=None).update(ended_at=now):
            return
        run.refresh_from_db()
        Schedule.objects.filter(pk=run.schedule_id).update(error_code=run.error_code, error_params=run.error_params)
        old = ScheduleRun.objects.filter(schedule=run.schedule_id, ended_at__lt=now - KEPT)
        over = ScheduledSnapshot.objects.filter(schedule=run.schedule_id, state__in=(STATE.FAILED, STATE.GONE))
        over.filter(Q(run__in=old.values("pk")) | Q(run=None)).delete()
        old.delete()
    announce(run.schedule)


def announce(schedule: Schedule) -> None:
    live.announce(schedules.names(schedule))
