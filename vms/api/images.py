"""Images, and the catalogue of those that can be fetched."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.models import Image
from vms.osdata import CATALOGUE
from vms.permissions import get_image_or_404, get_pool_or_404
from vms.services import images
from vms.services.image_lines import Line, make_lines

router = Router(tags=["images"])
catalogue_router = Router(tags=["images"])


class CopyItem(BaseModel):
    """host is null where you may not see it."""

    volume: int
    name: str
    pool: int
    pool_name: str
    host: str | None
    offered: bool


class ImageItem(BaseModel):
    """One content with its copies. os is libosinfo's short id, "" for unknown; sha256 is null until it was read;
    virtual_bytes is what a guest sees."""

    id: int
    name: str
    kind: str
    os: str
    version: str
    arch: str
    format: str
    size_bytes: int
    virtual_bytes: int
    sha256: str | None
    source_url: str
    owner: str | None
    added_at: datetime
    copies: list[CopyItem]


class ImageWish(BaseModel):
    """What to fetch and into which pool: an address, with its checksum where you have it ("sha256:…" or the digits
    alone), or an entry of the catalogue, whose project's own is fetched first. name: the volume's, by default the
    file's."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field("", max_length=2000)
    entry: str = Field("", max_length=100)
    checksum: str = Field("", max_length=140)
    name: str = Field("", max_length=200)
    pool: Annotated[int, Field(ge=1, le=2**63 - 1)]


class CatalogueItem(BaseModel):
    id: str
    name: str
    os: str
    version: str
    arch: str
    kind: str
    url: str
    checksum_url: str | None


def item(line: Line) -> ImageItem:
    image = line.image
    return ImageItem(
        id=image.pk,
        name=image.name,
        kind=image.kind,
        os=image.os,
        version=image.version,
        arch=image.arch,
        format=image.format,
        size_bytes=image.size_bytes,
        virtual_bytes=image.virtual_bytes,
        sha256=image.sha256,
        source_url=image.source_url,
        owner=image.owner.get_username() if image.owner else None,
        added_at=image.added_at,
        copies=[
            CopyItem(
                volume=place.copy.volume_id,
                name=place.copy.volume.name,
                pool=place.pool,
                pool_name=place.pool_name,
                host=place.host or None,
                offered=place.copy.published,
            )
            for place in line.places
        ],
    )


@router.get("", response=answers(200, Listing[ImageItem]), summary="Those that you may install from")
def index(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=300)] = "",
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Listing[ImageItem]:
    """q: part of a name."""
    who = actor(request)
    rows = images.find_images(who)
    rows = rows.filter(name__icontains=q) if q else rows

    def items(found: list[Image]) -> list[ImageItem]:
        return [item(line) for line in make_lines(found, who)]

    return listing(rows, items, page, page_size, timezone.now())


@router.post("", response=answers(202, Started, 400, 403, 404, 409), summary="Fetch one into a pool")
def fetch(request: HttpRequest, response: HttpResponse, body: ImageWish, key: IdempotencyKey = None) -> Status[Started]:
    who = actor(request)
    pool = get_pool_or_404(who, body.pool)
    given = body.model_dump(exclude={"pool"})
    return accepted(request, response, images.fetch(who, pool, **given, idempotency_key=key))


@router.get("/{int:image_id}", response=answers(200, ImageItem, 404), summary="One")
def show(request: HttpRequest, image_id: int) -> ImageItem:
    who = actor(request)
    [line] = make_lines([get_image_or_404(who, image_id)], who)
    return item(line)


@catalogue_router.get("", response=answers(200, list[CatalogueItem]), summary="Official images that can be fetched")
def catalogue(request: HttpRequest) -> list[CatalogueItem]:
    return [
        CatalogueItem(
            id=entry.id, name=entry.name, os=entry.os, version=entry.version, arch=entry.arch, kind=entry.kind,
            url=entry.url, checksum_url=entry.checksum_url or None,
        )
        for entry in CATALOGUE.values()
    ]  # fmt: skip
