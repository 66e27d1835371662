"""A guest's agent: what it told last, and what it is asked to do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.operations import IdempotencyKey, Nothing, Started, accepted
from vms.kinds.agent import LONGEST, MOST_KEYS, SHORTEST
from vms.permissions import get_vm_or_404, held
from vms.services import agent

router = Router(tags=["vms"])

User = Annotated[str, Field(max_length=64)]


class GuestCardItem(BaseModel):
    """An interface as the guest calls it; addresses with their prefix."""

    name: str
    mac: str
    addresses: list[str]


class FileSystemItem(BaseModel):
    """disks: of the VM's, on which it lies."""

    mounted_at: str
    type: str
    disks: list[str]
    total_bytes: int | None
    used_bytes: int | None


class GuestUserItem(BaseModel):
    """Who is logged in. since: in seconds after 1970, 0 where it is not told."""

    name: str
    domain: str
    since: int


class GuestFacts(BaseModel):
    """Reported by the guest, and cut; "" and null for what it does not tell. ahead_seconds: its clock before the
    dashboard's. left_out: how many interfaces, file systems and users are not listed."""

    host_name: str = ""
    system: str = ""
    version: str = ""
    kernel: str = ""
    machine: str = ""
    time_zone: str = ""
    ahead_seconds: int | None = None
    cards: list[GuestCardItem] = []
    file_systems: list[FileSystemItem] = []
    users: list[GuestUserItem] = []
    left_out: int = 0


class FrozenItem(BaseModel):
    """since: null until the guest has said so. until: when it is thawed if nobody has before. error: why that did not
    succeed yet, "" for nothing."""

    since: datetime | None
    until: datetime
    error: str


class GuestKeyItem(BaseModel):
    type: str
    fingerprint: str
    comment: str


class GuestKeysItem(BaseModel):
    """What a user's authorized_keys had when it was read."""

    user: str
    read_at: datetime
    keys: list[GuestKeyItem]


class AgentItem(BaseModel):
    """reported: by the guest, which may say anything; null where it has told nothing in this run. channel: none;
    next_start, its next start has one; off; away, nobody in the guest answers at it; connected. error: the code of why
    it did not answer when it was asked last. keys: for who may set them, of the users whose keys somebody asked for."""

    channel: Literal["none", "next_start", "off", "away", "connected"]
    asked_at: datetime | None
    reported_at: datetime | None
    error: str
    reported: GuestFacts | None
    frozen: FrozenItem | None
    keys: list[GuestKeysItem]


class FreezeWish(BaseModel):
    """After so many seconds they are thawed, if nobody has before."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seconds: Annotated[int, Field(ge=SHORTEST, le=LONGEST)] = 60


class GuestPasswordWish(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    user: User
    password: Annotated[str, Field(max_length=agent.LONGEST_PASSWORD)]


class GuestKeysWish(BaseModel):
    """add: lines like those of ~/.ssh/id_ed25519.pub. remove: fingerprints, SHA256:… Neither: they are read."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user: User
    add: Annotated[list[str], Field(max_length=MOST_KEYS)] = []
    remove: Annotated[list[str], Field(max_length=MOST_KEYS)] = []


@router.get("/{int:vm_id}/agent", response=answers(200, AgentItem, 403, 404), summary="What the guest reports")
def show(request: HttpRequest, vm_id: int) -> AgentItem:
    """As it was last; nobody is asked for it now."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=agent.VIEW)
    known = agent.guest(vm, keys=agent.PASSWORD in held(who, vm))
    frozen = known.frozen
    return AgentItem(
        channel=known.channel,
        asked_at=known.asked_at,
        reported_at=known.told_at,
        error=known.error,
        reported=GuestFacts(**known.facts) if known.told_at else None,
        frozen=FrozenItem(since=frozen.frozen_at, until=frozen.thaw_at, error=frozen.error_code) if frozen else None,
        keys=[
            GuestKeysItem(user=one.user, read_at=one.read_at, keys=[GuestKeyItem(**key) for key in one.keys])
            for one in known.keys
        ],
    )


@router.post("/{int:vm_id}/agent/ask", response=answers(204, None, 400, 403, 404), summary="Ask the guest now")
def ask(request: HttpRequest, vm_id: int, body: Nothing = None) -> Status[None]:
    """It is asked within seconds, and after it did not answer lately within half a minute; what it says then is in
    GET /vms/{id}/agent."""
    who = actor(request)
    agent.ask_again(who, get_vm_or_404(who, vm_id, to=agent.VIEW))
    return Status(204, None)


@router.post(
    "/{int:vm_id}/agent/freeze", response=answers(202, Started, 400, 403, 404, 409), summary="Freeze its file systems"
)
def freeze(
    request: HttpRequest, vm_id: int, response: HttpResponse, body: FreezeWish, key: IdempotencyKey = None
) -> Status[Started]:
    """Nothing is written in the guest until they are thawed."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=agent.FREEZE)
    return accepted(request, response, agent.freeze(who, vm, body.seconds, key=key))


@router.post("/{int:vm_id}/agent/thaw", response=answers(202, Started, 400, 403, 404, 409), summary="Thaw them")
def thaw(
    request: HttpRequest, vm_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=agent.FREEZE)
    return accepted(request, response, agent.thaw(who, vm, key=key))


@router.post("/{int:vm_id}/agent/time", response=answers(202, Started, 400, 403, 404, 409), summary="Set its clock")
def set_time(
    request: HttpRequest, vm_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    """To the time of the machine that runs the dashboard."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=agent.FREEZE)
    return accepted(request, response, agent.set_time(who, vm, key=key))


@router.post(
    "/{int:vm_id}/agent/password", response=answers(202, Started, 400, 403, 404, 409), summary="Set a user's password"
)
def set_password(
    request: HttpRequest, vm_id: int, response: HttpResponse, body: GuestPasswordWish, key: IdempotencyKey = None
) -> Status[Started]:
    """It is kept nowhere and shown nowhere."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=agent.PASSWORD)
    return accepted(request, response, agent.set_password(who, vm, body.user, body.password, key=key))


@router.post(
    "/{int:vm_id}/agent/ssh-keys", response=answers(202, Started, 400, 403, 404, 409), summary="A user's SSH keys"
)
def change_keys(
    request: HttpRequest, vm_id: int, response: HttpResponse, body: GuestKeysWish, key: IdempotencyKey = None
) -> Status[Started]:
    """Add some, take some away, and read what is there then."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=agent.PASSWORD)
    return accepted(request, response, agent.change_keys(who, vm, body.user, add=body.add, remove=body.remove, key=key))
