from __future__ import annotations

from typing import Any

from django.db import models


class Host(models.Model):
    """A machine that runs libvirt. Transports local and unix belong to one node (the process's machine)."""

    class Transport(models.TextChoices):
        LOCAL = "local", "local"
        UNIX = "unix", "unix"

    class Driver(models.TextChoices):
        QEMU = "qemu", "qemu"
        TEST = "test", "test"

    name = models.CharField(max_length=255, unique=True)
    transport = models.CharField(max_length=10, choices=Transport, default=Transport.LOCAL)
    driver = models.CharField(max_length=10, choices=Driver, default=Driver.QEMU)
    node = models.CharField(max_length=255)
    socket = models.CharField(max_length=255, blank=True)
    libvirt_uuid = models.UUIDField(null=True)
    # By the database's clock: the last time that the watcher heard it, and why it cannot (an error code) since when.
    heard_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_details = models.TextField(blank=True)
    # What the host says of itself, a HostFacts of vms.virt as JSON; read by the host page, decides nothing.
    facts: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["libvirt_uuid", "driver"], name="one_row_per_machine"),
        ]

    def __str__(self) -> str:
        return self.name

    def spec_fields(self) -> dict[str, str]:
        """What vms.virt.HostSpec is made of: transport, driver, socket and the UUID that must answer ("" for any)."""
        return {
            "transport": self.transport,
            "driver": self.driver,
            "socket": self.socket,
            "uuid": str(self.libvirt_uuid or ""),
        }


class Lease(models.Model):
    """Which watcher speaks for a host; whoever writes last-seen rows carries the epoch."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, related_name="lease")
    watcher = models.CharField(max_length=255)
    epoch = models.PositiveBigIntegerField(default=1)
    until = models.DateTimeField()
