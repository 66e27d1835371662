from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.hosts import Host
from vms.models.vms import VirtualMachine


class Happening(models.Model):
    """What a host or a VM did: a code and its parameters; plain and prunable."""

    at = models.DateTimeField(auto_now_add=True)
    host = models.ForeignKey(Host, null=True, on_delete=models.CASCADE, related_name="happenings")
    vm = models.ForeignKey(VirtualMachine, null=True, on_delete=models.CASCADE, related_name="happenings")
    code = models.CharField(max_length=40)
    params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["vm", "-id"]), models.Index(fields=["host", "-id"])]

    def __str__(self) -> str:
        return self.code
