from __future__ import annotations

from django.db import models
from django.db.models import Q

from vms.models.hosts import Host
from vms.models.users import User

OF_A_DEVICE = ("pci", "usb", "mdev")


class HostDevice(models.Model):
    """A device of a host, as that host tells it (vms.virt.DeviceInfo); present as long as the host lists it."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="devices")
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=10)
    parent = models.CharField(max_length=255, blank=True)
    vendor = models.CharField(max_length=255, blank=True)
    vendor_id = models.CharField(max_length=255, blank=True)
    product = models.CharField(max_length=255, blank=True)
    product_id = models.CharField(max_length=255, blank=True)
    sort = models.CharField(max_length=255, blank=True)
    driver = models.CharField(max_length=255, blank=True)
    address = models.CharField(max_length=255, blank=True)
    path = models.CharField(max_length=255, blank=True)
    iommu_group = models.PositiveBigIntegerField(null=True)
    physical = models.CharField(max_length=255, blank=True)
    functions = models.PositiveIntegerField(default=0)
    most_functions = models.PositiveBigIntegerField(default=0)
    free = models.PositiveBigIntegerField(null=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=255, blank=True)
    numa_node = models.PositiveBigIntegerField(null=True)
    present = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "name"], name="one_device_per_host_and_name")]

    def __str__(self) -> str:
        return f"{self.name} on {self.host_id}"


class Offer(models.Model):
    """Something of a host that an administrator lets editors give to their VMs: a device; a folder that is shared
    with them (path); or what they start from over the network (path is the kernel, initrd goes with it)."""

    class Kind(models.TextChoices):
        PCI = "pci", "pci"
        USB = "usb", "usb"
        MDEV = "mdev", "mdev"
        FOLDER = "folder", "folder"
        NETBOOT = "netboot", "netboot"

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="offers")
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=100)
    device = models.OneToOneField(HostDevice, null=True, on_delete=models.CASCADE, related_name="offer")
    path = models.CharField(max_length=1024, blank=True)
    initrd = models.CharField(max_length=1024, blank=True)
    read_only = models.BooleanField(default=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="offers")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "name"], name="one_offer_per_host_and_name"),
            models.CheckConstraint(
                condition=Q(kind__in=OF_A_DEVICE, device__isnull=False, path="")
                | (~Q(kind__in=OF_A_DEVICE) & Q(device=None) & ~Q(path="")),
                name="an_offer_is_a_device_or_a_path",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.host_id}"
