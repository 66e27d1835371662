from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower


class Size(models.Model):
    """How large a new VM is, by a name. It is read when a VM is asked for: none keeps it."""

    name = models.CharField(max_length=40)
    vcpus = models.PositiveIntegerField()
    memory_mib = models.PositiveIntegerField()
    disk_gib = models.PositiveIntegerField()

    class Meta:
        ordering = ["vcpus", "memory_mib", "disk_gib", "pk"]
        constraints = [models.UniqueConstraint(Lower("name"), name="one_size_of_a_name")]

    def __str__(self) -> str:
        return self.name
