"""What somebody has put into a pool is an image by itself where it can be nothing else: an ISO, and a disk that is
called as projects call their cloud images, while no VM uses it. It is one for those who may see it there; who may do
that offers it to others. Any other disk becomes an image by somebody's word; what a VM writes to is none."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from vms.headers import capacity
from vms.models import Image, ImageCopy, Volume
from vms.osdata import is_cloud_image, tell


def appear(row: Volume, first: bytes, size: int, format: str) -> None:
    """The volume, whose beginning was just read, is the copy of an image; its checksum is not known yet. Nothing where
    it may be something else."""
    if format == "ova" or (format != "iso" and (not is_cloud_image(row.name) or row.vms.exists())):
        return
    os, arch = tell(first, row.name)
    with transaction.atomic():
        if ImageCopy.objects.filter(volume=row).exists():
            return
        image = Image.objects.create(
            kind=Image.Kind.ISO if format == "iso" else Image.Kind.DISK, name=row.name, os=os, arch=arch,
            format=format, size_bytes=size, virtual_bytes=max(size, capacity(first, size=size)), owner=row.owner,
        )  # fmt: skip
        ImageCopy.objects.create(volume=row, image=image)


def disappear(volumes: Collection[int]) -> None:
    """VMs have these for disks: what they were copies of they are no more."""
    copies = ImageCopy.objects.filter(volume__in=volumes, image__kind=Image.Kind.DISK)
    if images := set(copies.values_list("image_id", flat=True)):
        copies.delete()
        Image.objects.filter(pk__in=images, sha256=None, copies=None).delete()
