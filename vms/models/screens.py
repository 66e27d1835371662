from __future__ import annotations

from django.db import models

from vms.models.vms import VirtualMachine


class LastScreen(models.Model):
    """What stood on a VM's screen before it crashed, as PNG; the last time, written by the watcher, and gone with it.

    run_id: in which run. taken_at: when, which may be some time before the crash.
    """

    vm = models.OneToOneField(VirtualMachine, on_delete=models.CASCADE, related_name="last_screen")
    run_id = models.IntegerField(null=True)
    taken_at = models.DateTimeField()
    png = models.BinaryField()

    def __str__(self) -> str:
        return f"last screen of {self.vm_id}"
