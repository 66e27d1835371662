"""What somebody may install from: what is offered where he may use images, and what he may see as a volume anyway."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404

from vms.models import Image, ImageCopy, StoragePool
from vms.permissions.visible import visible_pools
from vms.permissions.volumes import visible_volumes
from vms.permissions.who import Who

USE = "image.use"
PUBLISH = "image.publish"


def readable_copies(who: Who) -> QuerySet[ImageCopy]:
    """The copies that are there, whole and not refused, of which he may be told: those that are offered in pools where
    he may use images, and those in volumes that he may see."""
    there = ImageCopy.objects.filter(volume__present=True, volume__state="ready")
    offered = Q(published=True, volume__storage__in=visible_pools(who, USE).values("storage"))
    return there.filter(offered | Q(volume__in=visible_volumes(who).values("pk")))


def visible_images(who: Who) -> QuerySet[Image]:
    """The images of which he may be told a copy."""
    return Image.objects.filter(Exists(readable_copies(who).filter(image=OuterRef("pk"))))


def get_image_or_404(who: Who, pk: int) -> Image:
    """The image; 404 when it does not exist or may not be seen."""
    image = visible_images(who).filter(pk=pk).first()
    if image is None:
        raise Http404
    return image


def publishing_pools(who: Who) -> QuerySet[StoragePool]:
    """The pools in which he may offer images to others, or take the offer back."""
    return visible_pools(who, PUBLISH)
