from __future__ import annotations

from django.db import models

from vms.models.hosts import Host


class Network(models.Model):
    """A network of one host, as that host names it; present as long as the host lists it."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="networks")
    uuid = models.UUIDField()
    name = models.CharField(max_length=255)
    present = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "uuid"], name="one_network_per_host_and_uuid")]

    def __str__(self) -> str:
        return f"{self.name} on {self.host_id}"
