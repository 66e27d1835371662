"""Uploads into a pool, and volumes as files. The bytes go to and come from the transfer process."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.operations import OperationItem, item
from vms.permissions import get_pool_or_404
from vms.services import downloads, uploads
from vms.services.telling import as_told

router = Router(tags=["pools"])
volumes_router = Router(tags=["volumes"])


class UploadWish(BaseModel):
    """size_bytes: of the file, exactly. format: what the file is; it is kept as it comes, and refused where its header
    says otherwise."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)]
    size_bytes: Annotated[int, Field(ge=1, le=uploads.LARGEST)]
    format: Annotated[str, Field(max_length=20)] = "raw"


class UploadPlace(BaseModel):
    """url speaks tus 1.0 (HEAD, PATCH, DELETE; extensions termination, checksum, expiration), relative to this site,
    for the session or token that asked and no other; it is told this once."""

    url: str
    expires_at: datetime
    operation: OperationItem


@router.post(
    "/{int:pool_id}/uploads",
    response=answers(201, UploadPlace, 400, 403, 404, 409),
    url_name="upload-begin",
    summary="A place to send a file to, which becomes a volume",
)
def begin(request: HttpRequest, pool_id: int, body: UploadWish, response: HttpResponse) -> Status[UploadPlace]:
    who = actor(request)
    upload, url = uploads.ask(
        who, get_pool_or_404(who, pool_id), name=body.name, size_bytes=body.size_bytes, format=body.format
    )
    response["Location"] = url
    [told] = as_told(who, [upload.operation])
    return Status(201, UploadPlace(url=url, expires_at=upload.expires_at, operation=item(told)))


@volumes_router.get(
    "/{int:volume_id}/download",
    response=answers(307, None, 403, 404, 409),
    summary="Its bytes, as a file; leads to where they are",
)
def download(request: HttpRequest, volume_id: int) -> HttpResponse:
    volume = downloads.find(actor(request), volume_id)
    return HttpResponseRedirect(downloads.address(volume), preserve_request=True)
