from __future__ import annotations

from django.db import models

from vms.models.hosts import Host


class Network(models.Model):
    """A network of one host, as that host names it; present as long as the host lists it.

    mode: libvirt's forward mode, "isolated" without one, "direct" for macvtap, "ovs" for Open vSwitch. document: its
    definition as it is kept, live_document as it runs, "" while it does not; what differs applies after a restart.
    leases: what its DHCP has given, as {"mac", "address", "name"}.
    """

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="networks")
    uuid = models.UUIDField()
    name = models.CharField(max_length=255)
    present = models.BooleanField(default=True)
    mode = models.CharField(max_length=20, blank=True)
    bridge = models.CharField(max_length=64, blank=True)
    active = models.BooleanField(default=False)
    autostart = models.BooleanField(default=False)
    persistent = models.BooleanField(default=True)
    document = models.TextField(blank=True)
    live_document = models.TextField(blank=True)
    leases: models.JSONField[list[dict[str, str]]] = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "uuid"], name="one_network_per_host_and_uuid")]

    def __str__(self) -> str:
        return f"{self.name} on {self.host_id}"


class NetworkFilter(models.Model):
    """A filter that a host puts before VMs' network cards."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="network_filters")
    uuid = models.UUIDField()
    name = models.CharField(max_length=255)
    document = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "uuid"], name="one_filter_per_host_and_uuid")]

    def __str__(self) -> str:
        return f"{self.name} on {self.host_id}"
