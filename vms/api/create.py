"""Making VMs: what would be made, and the operations that make them."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Status
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vms.api import vms
from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.operations import IdempotencyKey, OperationItem, accepted, item
from vms.api.vms import HostName, named
from vms.permissions import seen_hosts
from vms.services import create, plans
from vms.services.sentences import place_words, warning
from vms.services.telling import as_told
from vms.services.wishes import DiskWish, Wish

# What is listed at the same address.
router = vms.router

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Size = Annotated[int, Field(ge=0, le=2**40)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DiskBody(Strict):
    """A new disk (from an image, where one is named), or a volume that is there. pool: left out, where it fits;
    size_mib: left out, as large as its system or its image wants. backing: full, a copy of the image; linked, a layer
    over it, which takes no time and needs the image from then on."""

    pool: Id | None = None
    size_mib: Size = 0
    image: Id | None = None
    volume: Id | None = None
    backing: Literal["full", "linked"] = "full"

    @model_validator(mode="after")
    def one_of_them(self) -> DiskBody:
        if self.volume is not None and (self.image, self.pool, self.size_mib) != (None, None, 0):
            raise ValueError("a volume that is there has its size and its pool")
        if self.backing == "linked" and self.image is None:
            raise ValueError("only a disk of an image can lie over it")
        return self


class CardBody(Strict):
    network: Id


class InstallBody(Strict):
    """image: an ISO to install from; pxe: from the network."""

    image: Id | None = None
    pxe: bool = False


class VmWish(Strict):
    """What is left out is chosen as its system wants it; host: wherever it fits. name: a letter or digit, then letters,
    digits and . _ -; for several with one #, which is replaced by the number of each. networks: one card each; left
    out, one card on the first network that you may use. UUIDs, MACs and paths are never chosen by a request."""

    name: Annotated[str, Field(max_length=300)]
    host: Id | None = None
    cpus: Annotated[int, Field(ge=0, le=512)] = 0
    memory_mib: Annotated[int, Field(ge=0, le=2**24)] = 0
    os: Annotated[str, Field(max_length=40)] = ""
    disks: Annotated[list[DiskBody], Field(max_length=16)] = []
    networks: Annotated[list[CardBody], Field(max_length=16)] | None = None
    install: InstallBody = InstallBody()
    firmware: Literal["", "bios", "efi", "secure"] = ""
    tpm: bool | None = None
    count: Annotated[int, Field(ge=1, le=100)] = 1
    start: bool = True


class WarningItem(BaseModel):
    code: str
    text: str


class PreviewItem(BaseModel):
    """What would be made of the first of them. xml: the definition, in which the UUID and MACs are still to be given.
    takes: of your quota, of one. host: null for who may not see it; why: why it is made there."""

    xml: str
    warnings: list[WarningItem]
    takes: dict[str, int]
    host: HostName | None
    why: str


class Making(BaseModel):
    """The operation of the first, and those of all."""

    operation: OperationItem
    operations: list[OperationItem]


def wish(body: VmWish) -> Wish:
    return Wish(
        name=body.name,
        host=body.host,
        cpus=body.cpus,
        memory_mib=body.memory_mib,
        os=body.os,
        disks=tuple(
            DiskWish(disk.pool, disk.size_mib, disk.image, disk.volume, linked=disk.backing == "linked")
            for disk in body.disks
        ),
        networks=tuple(card.network for card in body.networks) if body.networks is not None else None,
        install=body.install.image,
        pxe=body.install.pxe,
        firmware=body.firmware,
        tpm=body.tpm,
        count=body.count,
        start=body.start,
    )


@router.post("", response=answers(202, Making, 400, 403, 409), summary="Make one, or several")
def add(
    request: HttpRequest, body: VmWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Making]:  # fmt: skip
    """All are asked for or none. An operation that fails at any step undoes what it did."""
    made = create.create(actor(request), wish(body), idempotency_key=key)
    started = accepted(request, response, made[0]).value
    told = as_told(actor(request), made)
    return Status(202, Making(operation=started.operation, operations=[item(each) for each in told]))


@router.post("/preview", response=answers(200, PreviewItem, 400, 403, 409), summary="What would be made")
def preview(request: HttpRequest, body: VmWish) -> PreviewItem:
    """By libvirt's schema alone: nothing is handed to a host, and nothing is reserved."""
    who = actor(request)
    plan = plans.plan(who, wish(body))
    host = plan.place.host
    seen = seen_hosts(who, [host])
    return PreviewItem(
        xml=plan.document.text,
        warnings=[WarningItem(code=each.code, text=warning(each.code, each.params)) for each in plan.warnings],
        takes=dict(plan.takes),
        host=named(host, seen),
        why=place_words(plan.place.why, {"host": host.name if host.pk in seen else "", "of": plan.place.of}),
    )
