"""ISOs that somebody has put into a pool are images by themselves, for those who may see them there; they are offered
to others by somebody who may do that. A disk becomes an image only by somebody's word: what a VM writes to is none."""

from __future__ import annotations

from django.db import transaction

from vms.models import Image, ImageCopy, Volume
from vms.osdata import tell


def appear(row: Volume, first: bytes, size: int) -> None:
    """The volume, whose beginning was just read, is the copy of an image; its checksum is not known yet."""
    os, arch = tell(first, row.name)
    with transaction.atomic():
        if ImageCopy.objects.filter(volume=row).exists():
            return
        image = Image.objects.create(
            kind=Image.Kind.ISO, name=row.name, os=os, arch=arch, format="iso", size_bytes=size, virtual_bytes=size,
            owner=row.owner,
        )  # fmt: skip
        ImageCopy.objects.create(volume=row, image=image)
