from __future__ import annotations

from django.db import models

from vms.models.hosts import Host
from vms.models.users import User
from vms.models.vms import VirtualMachine


class StoragePool(models.Model):
    """A place for disks on one host, as that host names it; present as long as the host lists it."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="pools")
    uuid = models.UUIDField()
    name = models.CharField(max_length=255)
    present = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "uuid"], name="one_pool_per_host_and_uuid")]

    def __str__(self) -> str:
        return f"{self.name} on {self.host_id}"


class Volume(models.Model):
    """What somebody keeps in a pool: it belongs to the VMs that use it, without one to its owner, else to nobody but
    who may do anything in the pool (vms.permissions.volumes). capacity_bytes: as large as it can become."""

    pool = models.ForeignKey(StoragePool, on_delete=models.CASCADE, related_name="volumes")
    name = models.CharField(max_length=255)
    capacity_bytes = models.PositiveBigIntegerField(default=0)
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="volumes")
    vms = models.ManyToManyField(VirtualMachine, related_name="volumes")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "name"], name="one_volume_per_pool_and_name")]

    def __str__(self) -> str:
        return f"{self.name} in {self.pool_id}"
