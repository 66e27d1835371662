from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.hosts import Host
from vms.models.operations import Operation
from vms.models.vms import VirtualMachine


class Evacuation(models.Model):
    """A plan that somebody approved: VMs that leave a host, or come back to it, one operation for the whole.

    digest: of the plan as it was approved. parallel: how many move at a time. What is still planned when its operation
    has ended is not done any more.
    """

    class Way(models.TextChoices):
        AWAY = "away", "away"
        BACK = "back", "back"

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="evacuations")
    way = models.CharField(max_length=4, choices=Way)
    digest = models.CharField(max_length=64)
    parallel = models.PositiveSmallIntegerField()
    operation = models.OneToOneField(Operation, null=True, on_delete=models.SET_NULL, related_name="evacuation")
    began_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.way} {self.host_id}"


class EvacuatedVm(models.Model):
    """A VM of a plan, in its order. steps: what is asked for it, one after the other ("shutdown", "move", "start"); at:
    how many of them are done; operation: the one that is asked. to: where it goes, None where it stays. pool: into
    which its disks are copied, 0 for none. error_code, error_params: why it went no further.

    settled: on the way back it is not thought of any more, since it came back, or somebody let it stay.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "planned"
        UNDER_WAY = "under_way", "under way"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    evacuation = models.ForeignKey(Evacuation, on_delete=models.CASCADE, related_name="vms")
    number = models.PositiveIntegerField()
    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.SET_NULL, related_name="evacuations")
    name = models.CharField(max_length=255)
    to = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    pool = models.PositiveBigIntegerField(default=0)
    steps: models.JSONField[list[str]] = models.JSONField(default=list)
    at = models.PositiveSmallIntegerField(default=0)
    seconds = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.PLANNED)
    operation = models.ForeignKey(Operation, null=True, on_delete=models.SET_NULL, related_name="+")
    error_code = models.CharField(max_length=40, blank=True)
    error_params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    settled = models.BooleanField(default=False)

    class Meta:
        ordering = ["evacuation", "number"]
        constraints = [models.UniqueConstraint(fields=["evacuation", "number"], name="one_vm_per_place_in_a_plan")]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"
