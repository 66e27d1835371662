from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.hosts import Host
from vms.models.operations import Operation, OperationState
from vms.models.users import User
from vms.models.vms import VirtualMachine


class HostPlan(models.Model):
    """Which VM is to be on which host, worked out by a worker, approved as a whole, then done move by move.

    asked: the question, with its hosts; found: the answer, {} until there is one; vms: all that are named in it.
    digest: of question and answer. computing, operation: the operations that work it out, and that do it. of: the plan
    that this one takes back, or that it stands in for because not all of that was done.
    """

    class Kind(models.TextChoices):
        CONSOLIDATE = "consolidate", "consolidate"
        BALANCE = "balance", "balance"
        EVACUATE = "evacuate", "evacuate"
        WHATIF = "whatif", "what if"
        BACK = "back", "back"

    class State(models.TextChoices):
        COMPUTING = "computing", "computing"
        REFUSED = "refused", "refused"
        READY = "ready", "ready"
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        STOPPING = "stopping", "stopping"
        DONE = "done", "done"
        STOPPED = "stopped", "stopped"
        FAILED = "failed", "failed"

    kind = models.CharField(max_length=12, choices=Kind)
    hosts: models.JSONField[list[int]] = models.JSONField(default=list)
    vms: models.JSONField[list[int]] = models.JSONField(default=list)
    asked: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    found: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, blank=True)
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    approved_at = models.DateTimeField(null=True)
    paused = models.BooleanField(default=False)
    computing = models.OneToOneField(Operation, null=True, on_delete=models.SET_NULL, related_name="computed_plan")
    operation = models.OneToOneField(Operation, null=True, on_delete=models.SET_NULL, related_name="host_plan")
    of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="followed_by")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def state(self) -> str:
        """By its operations, which are the truth."""
        if self.approved_at:
            return self.run_state()
        if self.found:
            return self.State.READY
        return self.State.COMPUTING if self.computing and self.computing.is_open else self.State.REFUSED

    def run_state(self) -> str:
        doing = self.operation
        if doing is None:
            return self.State.STOPPED
        if doing.state == OperationState.CANCELLING:
            return self.State.STOPPING
        if doing.is_open:
            return self.State.PAUSED if self.paused else self.State.RUNNING
        ends = {OperationState.SUCCEEDED: self.State.DONE, OperationState.CANCELLED: self.State.STOPPED}
        return ends.get(OperationState(doing.state), self.State.FAILED)


class PlannedMove(models.Model):
    """A move of a plan. wave: those of one are made at the same time, one wave after the other. pool: into which its
    disks are copied, 0 for none. bytes, seconds: what goes over the wire, and how long that is thought to take. reason:
    its code and what its words name."""

    class State(models.TextChoices):
        PLANNED = "planned", "planned"
        UNDER_WAY = "under_way", "under way"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    plan = models.ForeignKey(HostPlan, on_delete=models.CASCADE, related_name="moves")
    number = models.PositiveIntegerField()
    wave = models.PositiveIntegerField()
    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.SET_NULL, related_name="planned_moves")
    name = models.CharField(max_length=255)
    source = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    to = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    pool = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    seconds = models.PositiveIntegerField(default=0)
    reason: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.PLANNED)
    operation = models.ForeignKey(Operation, null=True, on_delete=models.SET_NULL, related_name="+")
    error_code = models.CharField(max_length=40, blank=True)
    error_params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    class Meta:
        ordering = ["plan", "number"]
        constraints = [models.UniqueConstraint(fields=["plan", "number"], name="one_move_per_place_in_a_plan")]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"
