from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.pools import Volume
from vms.models.users import User
from vms.models.vms import VirtualMachine


class Seed(models.Model):
    """What a VM is told at its first boot: a disc for cloud-init, which nobody is shown.

    volume: the disc, None once it is taken away. by: who gave the answers, with whose rights it is taken away. told:
    what of the answers may be shown. keep: it stays in the VM. look_at: when it is looked next whether the first boot
    is over.
    """

    vm = models.OneToOneField(VirtualMachine, on_delete=models.CASCADE, related_name="seed")
    volume = models.OneToOneField(Volume, null=True, on_delete=models.SET_NULL, related_name="seed")
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    told: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    keep = models.BooleanField(default=False)
    made_at = models.DateTimeField(auto_now_add=True)
    look_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["look_at"])]

    def __str__(self) -> str:
        return f"seed: {self.vm_id}"
