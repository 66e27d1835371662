from __future__ import annotations

from typing import Any

from django.db import models

from vms.models.pools import Volume


class Archive(models.Model):
    """A volume in which others have packed a VM, as it was when somebody had it read.

    changed_at: when the volume was written then; with another time it is another archive. told: what it says of the VM
    (services.archives).
    """

    volume = models.OneToOneField(Volume, on_delete=models.CASCADE, related_name="archive")
    told: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    changed_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"archive: {self.volume_id}"
