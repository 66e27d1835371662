from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Host(models.Model):
    """A machine that runs libvirt. Transports local and unix belong to one node (the process's machine), the others
    to none: every node reaches them. socket: for unix and, on the other side, for ssh where it is not the usual one.

    Over ssh, public_key is ours for this host, offered_key what the machine showed, host_key what somebody accepted
    (each a line of OpenSSH's); over tls, certificates are PEM. sealed holds the private key, which only processes
    that reach hosts can open (services.sealing). A host that is left alone is not connected to; one that was removed
    keeps its row, so that history and grants are there when its machine comes back.
    """

    class Transport(models.TextChoices):
        LOCAL = "local", "local"
        UNIX = "unix", "unix"
        SSH = "ssh", "ssh"
        TLS = "tls", "tls"
        TCP = "tcp", "tcp"

    class Driver(models.TextChoices):
        QEMU = "qemu", "qemu"
        LXC = "lxc", "lxc"
        XEN = "xen", "xen"
        TEST = "test", "test"

    name = models.CharField(max_length=255)
    transport = models.CharField(max_length=10, choices=Transport, default=Transport.LOCAL)
    driver = models.CharField(max_length=10, choices=Driver, default=Driver.QEMU)
    node = models.CharField(max_length=255, blank=True)
    # Of a local one, which machine that is (Environment.machine): libvirt makes up a new UUID at each start where the
    # board has none.
    machine = models.CharField(max_length=64, blank=True)
    socket = models.CharField(max_length=255, blank=True)
    address = models.CharField(max_length=255, blank=True)
    port = models.PositiveIntegerField(null=True)
    user = models.CharField(max_length=64, blank=True)
    public_key = models.TextField(blank=True)
    offered_key = models.TextField(blank=True)
    host_key = models.TextField(blank=True)
    ca_certificate = models.TextField(blank=True)
    certificate = models.TextField(blank=True)
    sealed = models.TextField(blank=True)
    left_alone = models.BooleanField(default=False)
    # Since when it takes no new VMs.
    in_maintenance_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)
    libvirt_uuid = models.UUIDField(null=True)
    # By the database's clock: the last time that the watcher heard it, and why it cannot (an error code) since when.
    heard_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_details = models.TextField(blank=True)
    error_params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    # What the host says of itself, a HostFacts of vms.virt as JSON; read by the host page, decides nothing.
    facts: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    # What it is made of, a HostHardware as JSON, and when that was read last, by the database's clock.
    hardware: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    hardware_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=models.Q(removed_at=None), name="one_host_per_name"),
            models.UniqueConstraint(fields=["libvirt_uuid", "driver"], name="one_row_per_machine"),
        ]

    def __str__(self) -> str:
        return self.name

    def spec_fields(self) -> dict[str, Any]:
        """What vms.virt.HostSpec is made of; uuid is the one that must answer, "" for any; port 0 is the usual one."""
        return {
            "transport": self.transport,
            "driver": self.driver,
            "socket": self.socket,
            "uuid": "" if self.is_here else str(self.libvirt_uuid or ""),
            "address": self.address,
            "port": self.port or 0,
            "user": self.user,
            "host_key": self.host_key,
            "ca_certificate": self.ca_certificate,
            "certificate": self.certificate,
            "sealed": self.sealed,
            "sealed_for": self.sealed_for,
            "key_file": str(settings.ENVIRONMENT.key_file),
        }

    @property
    def is_here(self) -> bool:
        """Whether it is this very machine, whatever UUID its libvirt tells."""
        here = settings.ENVIRONMENT.machine
        return self.transport == self.Transport.LOCAL and bool(here) and self.machine == here

    @property
    def sealed_for(self) -> str:
        """What a secret of this row is bound to: moved to another row it opens nothing."""
        return f"host:{self.pk}:key"


class Lease(models.Model):
    """Which watcher speaks for a host; whoever writes last-seen rows carries the epoch."""

    LENGTH = timedelta(seconds=10)

    host = models.OneToOneField(Host, on_delete=models.CASCADE, related_name="lease")
    watcher = models.CharField(max_length=255)
    epoch = models.PositiveBigIntegerField(default=1)
    until = models.DateTimeField()

    @classmethod
    def standing(cls) -> models.Q:
        """Whether its watcher has renewed it in time. One that ends later than any can is from before the clock was set
        back: who holds it would be believed for as long as that was."""
        return models.Q(until__gt=Now(), until__lte=Now() + cls.LENGTH)
