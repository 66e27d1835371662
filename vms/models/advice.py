from __future__ import annotations

from django.db import models

from vms.models.pools import Volume
from vms.models.snapshots import Snapshot
from vms.models.users import User
from vms.models.vms import VirtualMachine


class LeftAlone(models.Model):
    """Advice of one kind on one VM, volume or snapshot that nobody is to be given: it is as it should be.

    by, by_name: who said so; it is for everybody who sees the thing. Goes with it.
    """

    class Kind(models.TextChoices):
        IDLE = "idle", "idle"
        CPUS = "cpus", "cpus"
        MEMORY = "memory", "memory"
        DISK = "disk", "disk"
        ISO = "iso", "ISO"
        SNAPSHOT = "snapshot", "snapshot"

    kind = models.CharField(max_length=10, choices=Kind)
    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.CASCADE, related_name="left_alone")
    volume = models.ForeignKey(Volume, null=True, on_delete=models.CASCADE, related_name="left_alone")
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.CASCADE, related_name="left_alone")
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=150)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "vm"], condition=models.Q(vm__isnull=False), name="a_vm_is_left_alone_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "volume"], condition=models.Q(volume__isnull=False), name="a_volume_is_left_alone_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "snapshot"],
                condition=models.Q(snapshot__isnull=False),
                name="a_snapshot_is_left_alone_once",
            ),
            models.CheckConstraint(
                condition=models.Q(vm=None, volume__isnull=False, snapshot=None)
                | models.Q(vm__isnull=False, volume=None, snapshot=None)
                | models.Q(vm=None, volume=None, snapshot__isnull=False),
                name="one_thing_is_left_alone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.vm_id or self.volume_id or self.snapshot_id}"
