from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.vms import Placement, VirtualMachine


class Snapshot(models.Model):
    """A snapshot that a host keeps of a VM; written by the watcher, and gone when the host has it no more.

    kind: where its disks' state is kept: inside their own files, or frozen under layers that were put over them; mixed
    for both, "" where it is of no disk. state: the VM's then, "disks" where it ran and only its disks were kept.
    taken_at: by the host's clock. memory_bytes: what its memory may take, 0 without one. disks: of each that the VM
    then had its target, how ("internal", "external", "no"), source, as vms.libvirtxml.sources writes it, and layer:
    what was put over it, [] for none. live and next_boot: its definitions of then, masked; live is "" where it did not
    run.
    """

    class Kind(models.TextChoices):
        INTERNAL = "internal", "internal"
        EXTERNAL = "external", "external"
        MIXED = "mixed", "mixed"
        NONE = "", "none"

    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, related_name="snapshots")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=10, choices=Kind, blank=True)
    has_memory = models.BooleanField(default=False)
    state = models.CharField(max_length=20, blank=True)
    parent_name = models.CharField(max_length=255, blank=True)
    is_current = models.BooleanField(default=False)
    taken_at = models.DateTimeField(null=True)
    memory_bytes = models.PositiveBigIntegerField(default=0)
    disks: models.JSONField[list[dict[str, Any]]] = models.JSONField(default=list)
    live = models.TextField(blank=True)
    next_boot = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["placement", "name"], name="one_snapshot_of_a_name")]

    def __str__(self) -> str:
        return f"{self.name} of {self.placement_id}"


class SnapshotPicture(models.Model):
    """What stood on a VM's screen when a snapshot of that name and time was taken of it, as PNG; gone with that."""

    vm = models.ForeignKey(VirtualMachine, on_delete=models.CASCADE, related_name="snapshot_pictures")
    name = models.CharField(max_length=255)
    taken_at = models.DateTimeField()
    png = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vm", "name", "taken_at"], name="one_picture_of_a_snapshot")]

    def __str__(self) -> str:
        return f"screen of {self.vm_id} at {self.name}"
