from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.users import User
from vms.models.vms import VirtualMachine


class Trashed(models.Model):
    """A VM in the trash: its host keeps it, off and with all that it has, and the dashboard shows it there alone.

    by: who deleted it, with whose rights it is purged. purge_at: when that is, None where it waits for a person.
    volumes: the ids of those that go with it then. autostart: whether it started with its host. purging: its host was
    told to forget it; left: what of its volumes is still to be deleted then, as [id, pool's UUID, name, path]. why: a
    code, and params, of what stood in the way of the last purge.
    """

    vm = models.OneToOneField(VirtualMachine, on_delete=models.CASCADE, related_name="trash")
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=150)
    purge_at = models.DateTimeField(null=True)
    volumes: models.JSONField[list[int]] = models.JSONField(default=list)
    autostart = models.BooleanField(default=False)
    purging = models.BooleanField(default=False)
    left: models.JSONField[list[Any]] = models.JSONField(default=list)
    why = models.CharField(max_length=40, blank=True)
    params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["purge_at"])]

    def __str__(self) -> str:
        return f"trash: {self.vm_id}"
