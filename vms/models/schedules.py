from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.hosts import Host
from vms.models.operations import Operation
from vms.models.users import User
from vms.models.vms import VirtualMachine


class Every(models.TextChoices):
    HOURLY = "hourly", "hourly"
    DAILY = "daily", "daily"
    WEEKLY = "weekly", "weekly"
    MONTHLY = "monthly", "monthly"


class Schedule(models.Model):
    """Snapshots that are made by themselves, with the rights that owner has at that moment.

    Of a VM, of the VMs with a tag, or of those on a host: one of vm, tag and host is set. minutes: after midnight in
    zone, an IANA name, of an hourly one after the full hour; day: of a weekly one 0 for Monday, of a monthly one the
    day of the month, the last one where the month has fewer. keep_*: of how many moments, hours, days, weeks and months
    the latest is kept. next_run_at: None while it is off or stopped. stopped_code: why it stopped by itself, "" while
    it did not. error_code: why its last run failed, "" where it was good.
    """

    name = models.CharField(max_length=60)
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="schedules")
    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.CASCADE, related_name="schedules")
    host = models.ForeignKey(Host, null=True, on_delete=models.CASCADE, related_name="schedules")
    tag = models.CharField(max_length=50, blank=True)
    every = models.CharField(max_length=10, choices=Every)
    minutes = models.PositiveSmallIntegerField(default=0)
    day = models.PositiveSmallIntegerField(default=0)
    zone = models.CharField(max_length=64)
    keep_last = models.PositiveSmallIntegerField(default=0)
    keep_hourly = models.PositiveSmallIntegerField(default=0)
    keep_daily = models.PositiveSmallIntegerField(default=0)
    keep_weekly = models.PositiveSmallIntegerField(default=0)
    keep_monthly = models.PositiveSmallIntegerField(default=0)
    memory = models.BooleanField(default=False)
    quiesce = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    next_run_at = models.DateTimeField(null=True)
    last_run_at = models.DateTimeField(null=True)
    stopped_code = models.CharField(max_length=40, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "pk"]
        indexes = [models.Index(fields=["next_run_at"])]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(vm__isnull=False, host=None, tag="")
                | models.Q(vm=None, host__isnull=False, tag="")
                | (models.Q(vm=None, host=None) & ~models.Q(tag="")),
                name="a_schedule_is_of_one_thing",
            )
        ]

    def __str__(self) -> str:
        return self.name


class ScheduleRun(models.Model):
    """One time that a schedule was due. missed: how many more moments have passed before anybody looked, for which this
    one run makes up. error_code: the first thing that went wrong in it, "" while nothing did."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs")
    due_at = models.DateTimeField()
    missed = models.PositiveIntegerField(default=0)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["schedule"], condition=models.Q(ended_at=None), name="one_open_run_of_a_schedule"
            )
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.due_at}"


class ScheduledSnapshot(models.Model):
    """A snapshot that a schedule made, or is to make; what no row names is a person's, and stays.

    vm_name: what it was called then. taken_at: by this dashboard's clock; host_taken_at: by the host's, which tells it
    from another of its name. try_at: when a worker asks (again) for what is to be done, tried_at: when one first did.
    operation: the last that was asked for.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        ASKED = "asked", "asked for"
        TAKEN = "taken", "taken"
        FAILED = "failed", "failed"
        LEAVING = "leaving", "to be deleted"
        DELETING = "deleting", "being deleted"
        GONE = "gone", "gone"

    run = models.ForeignKey(ScheduleRun, null=True, on_delete=models.SET_NULL, related_name="snapshots")
    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="snapshots")
    vm = models.ForeignKey(VirtualMachine, on_delete=models.CASCADE, related_name="scheduled_snapshots")
    vm_name = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    try_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    operation = models.ForeignKey(Operation, null=True, on_delete=models.SET_NULL, related_name="+")
    taken_at = models.DateTimeField(null=True)
    host_taken_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["state", "try_at"]), models.Index(fields=["vm", "state"])]

    def __str__(self) -> str:
        return f"{self.name} of {self.vm_name}"
