"""Hosts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Nothing, Started, start
from vms.kinds.hosts import GET_READY, TEST
from vms.models import Host
from vms.permissions import Who, get_host_or_404, is_administrator, visible_hosts
from vms.services import host_changes, host_keys
from vms.services.freshness import freshness
from vms.services.hosts import items
from vms.services.sentences import sentence

router = Router(tags=["hosts"])


class HostError(BaseModel):
    code: str
    detail: str
    details: str


Transport = Literal["local", "unix", "ssh", "tls", "tcp"]
Driver = Literal["qemu", "lxc", "xen", "test"]
Text = Annotated[str, Field(max_length=300)]
Pem = Annotated[str, Field(max_length=1 << 17)]


class HostItem(BaseModel):
    """facts is what the host said of itself when it was last heard. public_key is the dashboard's for this host over
    ssh; host_key and offered_key are fingerprints: of the machine's key that was accepted, and of the one that it
    shows and that nobody has accepted. private_key_set: a key is sealed here; it is never shown. How it is reached is
    empty for who does not administer hosts."""

    id: int
    uuid: str | None
    name: str
    transport: str
    driver: str
    host: str
    port: int | None
    user: str
    socket: str
    encrypted: bool
    public_key: str
    host_key: str
    offered_key: str
    ca_certificate: str
    certificate: str
    private_key_set: bool
    left_alone: bool
    answering: bool
    heard_at: datetime | None
    error: HostError | None
    facts: dict[str, Any]


class HostWish(BaseModel):
    """A host to add. Which fields it needs depends on transport; host is a name or an IP address. tcp is not
    encrypted, which unencrypted must acknowledge. Over ssh the dashboard makes a key: see public_key in the answer."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    transport: Transport
    driver: Driver = "qemu"
    host: Text = ""
    port: int | None = None
    user: Text = ""
    socket: Text = ""
    ca_certificate: Pem = ""
    certificate: Pem = ""
    private_key: Pem = ""
    unencrypted: bool = False


class HostChange(BaseModel):
    """What is to be changed; the rest stays. left_alone: the dashboard does not connect, until it is false again."""

    model_config = ConfigDict(extra="forbid")

    name: Text = ""
    transport: Transport = "ssh"
    host: Text = ""
    port: int | None = None
    user: Text = ""
    socket: Text = ""
    ca_certificate: Pem = ""
    certificate: Pem = ""
    private_key: Pem = ""
    unencrypted: bool = False
    left_alone: bool = False


class MachineWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    uuid: UUID


class KeyWish(BaseModel):
    """SHA256:..., as ssh-keygen -l prints it on the machine itself."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: Text


def fields(wish: HostWish | HostChange) -> dict[str, Any]:
    """What was sent, under the names that the row has."""
    given = wish.model_dump(exclude_unset=True, exclude={"left_alone"})
    return {"address" if name == "host" else name: value for name, value in given.items()}


# How a host is reached; not told to who only sees it.
REACHED: dict[str, Any] = {
    "host": "", "port": None, "user": "", "socket": "", "public_key": "", "host_key": "", "offered_key": "",
    "ca_certificate": "", "certificate": "",
}  # fmt: skip


def item(host: Host, who: Who) -> HostItem:
    """The host, as far as he may know it."""
    found = whole(host)
    if is_administrator(who, host_changes.PRIVILEGE):
        return found
    facts = {name: value for name, value in found.facts.items() if name != "secrets"}
    if "links" in facts:
        facts["links"] = [{**link, "addresses": []} for link in items(facts["links"])]
    return found.model_copy(update={**REACHED, "facts": facts})


def whole(host: Host) -> HostItem:
    error = None
    if host.error_code:
        error = HostError(
            code=host.error_code,
            detail=sentence(host.error_code, {"host": host.name, **host.error_params}),
            details=host.error_details,
        )
    return HostItem(
        id=host.pk,
        uuid=str(host.libvirt_uuid) if host.libvirt_uuid else None,
        name=host.name,
        transport=host.transport,
        driver=host.driver,
        host=host.address,
        port=host.port,
        user=host.user,
        socket=host.socket,
        encrypted=host.transport != Host.Transport.TCP,
        public_key=host.public_key,
        host_key=host_keys.fingerprint(host.host_key),
        offered_key=host_keys.fingerprint(host.offered_key),
        ca_certificate=host.ca_certificate,
        certificate=host.certificate,
        private_key_set=bool(host.sealed),
        left_alone=host.left_alone,
        answering=freshness(host) == "live",
        heard_at=host.heard_at,
        error=error,
        facts=host.facts,
    )


def fresh_at(hosts: QuerySet[Host]) -> datetime | None:
    """When the one that was silent for longest was heard; None when one never was."""
    heard = list(hosts.values_list("heard_at", flat=True))
    known = [at for at in heard if at is not None]
    return min(known) if known and len(known) == len(heard) else None


@router.get("", response=answers(200, Listing[HostItem]), summary="Those that you may see")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[HostItem]:
    who = actor(request)
    hosts = visible_hosts(who).order_by("name", "pk")
    return listing(hosts, lambda rows: [item(host, who) for host in rows], page, page_size, fresh_at(hosts))


@router.get("/{int:host_id}", response=answers(200, HostItem, 404), url_name="host", summary="One")
def show(request: HttpRequest, host_id: int) -> HostItem:
    who = actor(request)
    return item(get_host_or_404(who, host_id), who)


@router.post("", response=answers(201, HostItem, 400, 403), summary="Add one")
def add(request: HttpRequest, body: HostWish, response: HttpResponse) -> Status[HostItem]:
    host = host_changes.add(actor(request), fields(body))
    response["Location"] = reverse("api-1:host", args=[host.pk])
    return Status(201, item(host, actor(request)))


@router.patch("/{int:host_id}", response=answers(200, HostItem, 400, 403, 404), summary="Change how it is reached")
def change(request: HttpRequest, host_id: int, body: HostChange) -> HostItem:
    who = actor(request)
    host = get_host_or_404(who, host_id, to=host_changes.PRIVILEGE)
    with transaction.atomic():
        if given := fields(body):
            host = host_changes.edit(who, host, given)
        if "left_alone" in body.model_fields_set:
            (host_changes.leave_alone if body.left_alone else host_changes.take_up)(who, host)
    return item(get_host_or_404(who, host_id), who)


@router.delete("/{int:host_id}", response=answers(204, None, 403, 404, 409), summary="Remove it; its VMs run on")
def remove(request: HttpRequest, host_id: int) -> Status[None]:
    who = actor(request)
    host_changes.remove(who, get_host_or_404(who, host_id))
    return Status(204, None)


@router.post(
    "/{int:host_id}/test",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Connect step by step; over ssh without an accepted key, ask for the machine's key",
)
def test(
    request: HttpRequest, host_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    return start(request, response, TEST, get_host_or_404(actor(request), host_id), key)


@router.post(
    "/{int:host_id}/accept-key",
    response=answers(200, HostItem, 400, 403, 404, 409),
    summary="Accept the key that the machine shows, by its fingerprint",
)
def accept_key(request: HttpRequest, host_id: int, body: KeyWish) -> HostItem:
    who = actor(request)
    host_changes.accept_key(who, get_host_or_404(who, host_id), body.fingerprint)
    return item(get_host_or_404(who, host_id), who)


@router.post(
    "/{int:host_id}/accept-machine",
    response=answers(200, HostItem, 400, 403, 404),
    summary="Keep the host although its machine has another UUID now, which error.params names",
)
def accept_machine(request: HttpRequest, host_id: int, body: MachineWish) -> HostItem:
    who = actor(request)
    host_changes.accept_machine(who, get_host_or_404(who, host_id), str(body.uuid))
    return item(get_host_or_404(who, host_id), who)


@router.post(
    "/{int:host_id}/get-ready",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Start its default network and pool, where absent, and on every boot",
)
def get_ready(
    request: HttpRequest, host_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    return start(request, response, GET_READY, get_host_or_404(actor(request), host_id), key)
