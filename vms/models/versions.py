from __future__ import annotations

from django.db import models

from vms.models.hosts import Host
from vms.models.operations import Operation
from vms.models.vms import VirtualMachine


class Version(models.Model):
    """A definition for the next start that a VM had, masked; numbered from 1 for each VM.

    at: when it was first seen. operation: what made it, None for what was done outside; kind and actor_name stay where
    that row goes. found: it was there when the VM was first seen, so nobody knows who made it. Kept when the VM goes.
    """

    vm = models.ForeignKey(VirtualMachine, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    sha256 = models.CharField(max_length=64)
    xml = models.TextField()
    at = models.DateTimeField(auto_now_add=True)
    found = models.BooleanField(default=False)
    operation = models.ForeignKey(Operation, null=True, on_delete=models.SET_NULL, related_name="versions")
    kind = models.CharField(max_length=60, blank=True)
    actor_name = models.CharField(max_length=150, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["-at"],
                condition=models.Q(found=False, number__gt=1, kind="", operation=None),
                name="versions_made_outside",
            )
        ]
        constraints = [models.UniqueConstraint(fields=["vm", "number"], name="a_version_once_per_vm")]

    def __str__(self) -> str:
        return f"{self.vm_id}: {self.number}"
