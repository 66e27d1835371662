from __future__ import annotations

from django.db import models

from vms.models.pools import Volume
from vms.models.users import User
from vms.models.vms import VirtualMachine


class Template(models.Model):
    """A VM of which others are made: its host keeps it, off, and nobody writes to its disks.

    by: who made it one. ready: its disks have been read, and nobody is at changing that. published: offered to who may
    use templates. autostart: whether it started with its host before.
    """

    vm = models.OneToOneField(VirtualMachine, on_delete=models.CASCADE, related_name="template")
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)
    ready = models.BooleanField(default=False)
    published = models.BooleanField(default=False)
    autostart = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"template: {self.vm_id}"


class TemplateVolume(models.Model):
    """A volume that instances are made of. number: the place of its disk; depth: 0 for the disk's own volume, which is
    protected, above that what it lies over, which is in use. sha256: of its bytes, "" until they are read; size_bytes
    and changed_at: its length, and the time in it, when they were."""

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="volumes")
    volume = models.ForeignKey(Volume, on_delete=models.CASCADE, related_name="of_templates")
    number = models.PositiveSmallIntegerField()
    depth = models.PositiveSmallIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["template", "number", "depth"], name="one_volume_per_place_of_a_template"),
            models.UniqueConstraint(
                fields=["volume"], condition=models.Q(depth=0), name="a_volume_is_a_disk_of_one_template"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.volume_id} of {self.template_id}"
