from __future__ import annotations

from django.db import models

from vms.models.operations import Operation
from vms.models.pools import Volume


class Upload(models.Model):
    """A file on its way into a pool; who may send it, and how it ends, is the operation's.

    secret_hash: SHA-256 of the 256 bits in its address. offset_bytes: what its host has said that it has written.
    volume: from the moment at which the host is asked to make it. expires_at: when its room is given back if nothing
    more comes; each piece moves it.
    """

    operation = models.OneToOneField(Operation, on_delete=models.CASCADE, related_name="upload")
    secret_hash = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=255)
    format = models.CharField(max_length=20)
    size_bytes = models.PositiveBigIntegerField()
    offset_bytes = models.PositiveBigIntegerField(default=0)
    volume = models.ForeignKey(Volume, null=True, on_delete=models.SET_NULL, related_name="uploads")
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(offset_bytes__lte=models.F("size_bytes")), name="no_upload_is_longer_than_said"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.offset_bytes} of {self.size_bytes})"

    @property
    def is_whole(self) -> bool:
        return self.offset_bytes == self.size_bytes
