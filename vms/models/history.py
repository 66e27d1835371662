from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.hosts import Host
from vms.models.users import User
from vms.models.vms import VirtualMachine


class AuditEvent(models.Model):
    """What a person did or was refused; written in the same commit as the change it tells, never changed."""

    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    user_name = models.CharField(max_length=150, blank=True)
    address = models.CharField(max_length=45, blank=True)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=60, blank=True)
    target_name = models.CharField(max_length=255, blank=True)
    facts: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.user_name} {self.action} {self.target_name}"


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
