from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.operations import Operation
from vms.models.vms import Placement, VirtualMachine


class AgentReport(models.Model):
    """What a guest's agent told last, cut to what is shown (vms.virt.GuestInfo); written by the watcher.

    Nothing is decided by it. run_id: of which run. asked_at: when it was asked last, told_at when it answered last;
    error_code: why it did not answer when it was asked last.
    """

    placement = models.OneToOneField(Placement, on_delete=models.CASCADE, related_name="agent_report")
    run_id = models.IntegerField(null=True)
    asked_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    facts: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"agent: {self.placement_id}"


class Freeze(models.Model):
    """File systems that are frozen, or about to be: there from before the guest is asked until it has thawed them.

    run_id: in which run. frozen_at: None until the guest has said so. thaw_at: when a worker asks for their thaw, if
    nobody has before. error_code: why that did not succeed yet.
    """

    vm = models.OneToOneField(VirtualMachine, on_delete=models.CASCADE, related_name="freeze")
    operation = models.OneToOneField(Operation, null=True, on_delete=models.SET_NULL, related_name="freeze")
    run_id = models.IntegerField()
    asked_at = models.DateTimeField()
    frozen_at = models.DateTimeField(null=True)
    seconds = models.PositiveIntegerField()
    thaw_at = models.DateTimeField()
    error_code = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [models.Index(fields=["thaw_at"])]

    def __str__(self) -> str:
        return f"frozen: {self.vm_id}"


class GuestKeys(models.Model):
    """The SSH keys of a guest's user as its agent told them when somebody asked: type, fingerprint and comment."""

    vm = models.ForeignKey(VirtualMachine, on_delete=models.CASCADE, related_name="guest_keys")
    user = models.CharField(max_length=64)
    read_at = models.DateTimeField()
    keys: models.JSONField[list[dict[str, str]]] = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vm", "user"], name="guest_keys_once_per_user")]

    def __str__(self) -> str:
        return f"keys of {self.user}: {self.vm_id}"
