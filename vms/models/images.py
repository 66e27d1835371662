from __future__ import annotations

from django.db import models

from vms.models.pools import Volume
from vms.models.users import User


class Image(models.Model):
    """Something to install from: one row a content, wherever copies of it are. source_url: where it came from, without
    a query. sha256: None until somebody has read all of it. os: a system's short id (vms.osdata), "" for unknown.
    virtual_bytes: as large as its disk is to a guest."""

    class Kind(models.TextChoices):
        ISO = "iso", "ISO"
        DISK = "disk", "disk"
        NETBOOT = "netboot", "netboot"

    sha256 = models.CharField(max_length=64, unique=True, null=True)
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=255)
    os = models.CharField(max_length=40, blank=True)
    version = models.CharField(max_length=40, blank=True)
    arch = models.CharField(max_length=20, blank=True)
    format = models.CharField(max_length=20, blank=True)
    source_url = models.TextField(blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    virtual_bytes = models.PositiveBigIntegerField(default=0)
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="images")
    added_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class ImageCopy(models.Model):
    """A volume that holds the image's bytes. published: offered to who may use images in its pool; without, only those
    know of it who may see the volume."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="copies")
    volume = models.OneToOneField(Volume, on_delete=models.CASCADE, related_name="image_copy")
    published = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.image_id} in {self.volume_id}"
