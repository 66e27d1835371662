from __future__ import annotations

from django.db import models

from vms.models.users import ApiToken, User
from vms.models.vms import VirtualMachine


class Console(models.Model):
    """Somebody's console: asked for, opened by redeeming its ticket (kept as a hash in Redis only), closed.

    device: of a serial console, the device's name. One console drives a serial device, the others watch; taken_by is
    who took it over from this one. force: whoever holds the device outside the dashboard is thrown out. dismissed_by:
    who closed it from the list of those that are open; its relay ends it within a second.
    """

    class Kind(models.TextChoices):
        VNC = "vnc", "vnc"
        SERIAL = "serial", "serial"

    class Mode(models.TextChoices):
        DRIVE = "drive", "drive"
        VIEW = "view", "view"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="consoles")
    session_key = models.CharField(max_length=40, blank=True)
    token = models.ForeignKey(ApiToken, null=True, on_delete=models.CASCADE, related_name="consoles")
    vm = models.ForeignKey(VirtualMachine, on_delete=models.CASCADE, related_name="consoles")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.VNC)
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.DRIVE)
    device = models.CharField(max_length=40, blank=True)
    taken_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    dismissed_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    force = models.BooleanField(default=False)
    address = models.CharField(max_length=45, blank=True)
    relay = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    close_reason = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["closed_at", "opened_at"]),
            models.Index(fields=["-opened_at"], name="consoles_by_opening"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["vm", "device"],
                condition=models.Q(kind="serial", mode="drive", closed_at=None),
                name="one_driver_per_serial_line",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.vm_id} by {self.user_id}"
