"""A host's secrets: what they are for and who uses them. No answer holds what one is."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.models import StoragePool
from vms.permissions import get_host_or_404, require_all
from vms.services import secrets

router = Router(tags=["storage"])


class SecretUser(BaseModel):
    kind: Literal["pool", "vm"]
    id: int
    name: str


class SecretItem(BaseModel):
    """usage is what libvirt calls its purpose, name for which. private: libvirt itself gives it to nobody. users: what
    names it on this host."""

    uuid: str
    usage: str
    name: str
    private: bool
    users: list[SecretUser]


class SecretWish(BaseModel):
    """One that the host keeps for the same purpose gets the new value."""

    model_config = ConfigDict(extra="forbid")

    usage: Literal["ceph", "iscsi", "volume", "tls", "vtpm"]
    name: Annotated[str, Field(max_length=255)]
    value: Annotated[str, Field(max_length=1 << 16)]


def item(secret: secrets.Secret) -> SecretItem:
    return SecretItem(
        uuid=secret.uuid,
        usage=secret.usage,
        name=secret.name,
        private=secret.private,
        users=[
            SecretUser(kind="pool" if isinstance(user, StoragePool) else "vm", id=user.pk, name=user.name)
            for user in secret.users
        ],
    )


@router.get("/{int:host_id}/secrets", response=answers(200, list[SecretItem], 403, 404), summary="Without their values")
def index(request: HttpRequest, host_id: int) -> list[SecretItem]:
    host = get_host_or_404(actor(request), host_id)
    require_all(actor(request), [secrets.PRIVILEGE], host, fresh=False)
    return [item(secret) for secret in secrets.known(host)]


@router.post("/{int:host_id}/secrets", response=answers(202, Started, 400, 403, 404, 409), summary="Set one")
def set_value(
    request: HttpRequest, host_id: int, body: SecretWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    host = get_host_or_404(actor(request), host_id)
    return accepted(request, response, secrets.set_value(actor(request), host, body.model_dump(), key))


@router.delete(
    "/{int:host_id}/secrets/{uuid:secret_uuid}",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Let the host forget one that nothing names",
)
def delete(
    request: HttpRequest, host_id: int, secret_uuid: UUID, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    host = get_host_or_404(actor(request), host_id)
    return accepted(request, response, secrets.delete(actor(request), host, str(secret_uuid), key))
