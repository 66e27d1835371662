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
from vms.models import Operation
from vms.permissions import Actor, seen_hosts
from vms.services import create, plans, seeds
from vms.services.seeds import SeedWish
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
    """A new disk (from an image, where one is named), a volume that is there, or all disks of a template, which then is
    the only entry. pool: left out, where it fits;
    size_mib: left out, as large as its system or its image wants. backing: full, a copy of the image or the template;
    linked, a layer over it, which takes no time and needs that from then on."""

    pool: Id | None = None
    size_mib: Size = 0
    image: Id | None = None
    volume: Id | None = None
    template: Id | None = None
    backing: Literal["full", "linked"] = "full"

    @model_validator(mode="after")
    def one_of_them(self) -> DiskBody:
        if self.volume is not None and (self.image, self.pool, self.size_mib) != (None, None, 0):
            raise ValueError("a volume that is there has its size and its pool")
        if len([one for one in (self.image, self.volume, self.template) if one is not None]) > 1:
            raise ValueError("a disk is made of one thing")
        if self.backing == "linked" and self.image is None and self.template is None:
            raise ValueError("only a disk of an image or a template can lie over it")
        return self


class CardBody(Strict):
    network: Id


class InstallBody(Strict):
    """image: an ISO to install from; pxe: from the network. drivers: Windows gets virtio devices, and the newest
    virtio-win ISO that you may use as a second CD; without either it gets SATA and e1000e."""

    image: Id | None = None
    pxe: bool = False
    drivers: bool = True


Line = Annotated[str, Field(max_length=4096)]
Lines = Annotated[list[Line], Field(max_length=200)]
Word = Annotated[str, Field(max_length=300)]
File = Annotated[str, Field(max_length=65536)]


class AddressBody(Strict):
    """A fixed address with its prefix ("192.0.2.10/24"), for the first card."""

    address: Word
    gateway: Word = ""
    resolvers: Annotated[list[Word], Field(max_length=8)] = []
    search: Annotated[list[Word], Field(max_length=8)] = []


class CloudInitBody(Strict):
    """What a cloud image is told at its first boot; what is left out stays as the image has it. user: the image's own,
    by this name. keys: lines as ssh keeps them; my_keys: also those of your account. password: 8 to 200 characters; it
    is kept nowhere. hostname: left out, the VM's name. commands: lines for the shell, run once as root. user_data,
    network_config: files of your own, which have the last word. keep: the disc with all this stays in the VM; else it
    is taken away after the first boot."""

    user: Word = ""
    keys: Lines = []
    my_keys: bool = False
    password: Word = ""
    hostname: Word = ""
    packages: Lines = []
    commands: Lines = []
    network: AddressBody | None = None
    user_data: File = ""
    network_config: File = ""
    keep: bool = False


class VmWish(Strict):
    """What is left out is chosen as its system wants it. size: one of /sizes by its name or its id, for cpus,
    memory_mib and the first disk that is made from nothing or from an image; what is said of these wins over it. host:
    wherever it fits. name: a letter or digit, then letters, digits and . _ -; for several with one #, which is replaced
    by the number of each. networks: one card each; left out, one card on the first network that you may use. UUIDs,
    MACs and paths are never chosen by a request."""

    name: Annotated[str, Field(max_length=300)]
    host: Id | None = None
    cpus: Annotated[int, Field(ge=0, le=512)] = 0
    memory_mib: Annotated[int, Field(ge=0, le=2**24)] = 0
    size: Id | Annotated[str, Field(max_length=40)] = ""
    os: Annotated[str, Field(max_length=40)] = ""
    disks: Annotated[list[DiskBody], Field(max_length=16)] = []
    networks: Annotated[list[CardBody], Field(max_length=16)] | None = None
    install: InstallBody = InstallBody()
    firmware: Literal["", "bios", "efi", "secure"] = ""
    tpm: bool | None = None
    count: Annotated[int, Field(ge=1, le=100)] = 1
    start: bool = True
    cloud_init: CloudInitBody | None = None


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


def seed(body: CloudInitBody | None, who: Actor) -> SeedWish | None:
    if body is None:
        return None
    fixed = body.network
    return SeedWish(
        user=body.user,
        keys=(*body.keys, *(seeds.own_keys(who.user) if body.my_keys else ())),
        password=body.password,
        hostname=body.hostname,
        packages=tuple(body.packages),
        commands=tuple(body.commands),
        address=fixed.address if fixed else "",
        gateway=fixed.gateway if fixed else "",
        resolvers=tuple(fixed.resolvers) if fixed else (),
        search=tuple(fixed.search) if fixed else (),
        user_data=body.user_data,
        network_config=body.network_config,
        keep=body.keep,
    )


def wish(body: VmWish, who: Actor) -> Wish:
    return Wish(
        name=body.name,
        host=body.host,
        cpus=body.cpus,
        memory_mib=body.memory_mib,
        size=body.size,
        os=body.os,
        disks=tuple(
            DiskWish(
                disk.pool, disk.size_mib, disk.image, disk.volume, disk.backing == "linked", template=disk.template
            )
            for disk in body.disks
        ),
        networks=tuple(card.network for card in body.networks) if body.networks is not None else None,
        install=body.install.image,
        pxe=body.install.pxe,
        drivers=body.install.drivers,
        firmware=body.firmware,
        tpm=body.tpm,
        count=body.count,
        start=body.start,
        seed=seed(body.cloud_init, who),
    )


@router.post("", response=answers(202, Making, 400, 403, 409), summary="Make one, or several")
def add(
    request: HttpRequest, body: VmWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Making]:  # fmt: skip
    """All are asked for or none. An operation that fails at any step undoes what it did."""
    made = create.create(actor(request), wish(body, actor(request)), idempotency_key=key)
    return all_accepted(request, response, made)


def all_accepted(request: HttpRequest, response: HttpResponse, made: list[Operation]) -> Status[Making]:
    """202 with all of them, and the address of the first."""
    started = accepted(request, response, made[0]).value
    told = as_told(actor(request), made)
    return Status(202, Making(operation=started.operation, operations=[item(each) for each in told]))


@router.post("/preview", response=answers(200, PreviewItem, 400, 403, 409), summary="What would be made")
def preview(request: HttpRequest, body: VmWish) -> PreviewItem:
    """By libvirt's schema alone: nothing is handed to a host, and nothing is reserved."""
    who = actor(request)
    told = plans.preview(who, wish(body, who))
    plan = told.plan
    host = plan.place.host
    seen = seen_hosts(who, [host])
    return PreviewItem(
        xml=told.document.text,
        warnings=[WarningItem(code=each.code, text=warning(each.code, each.params)) for each in told.warnings],
        takes=dict(plan.takes),
        host=named(host, seen),
        why=place_words(plan.place.why, {"host": host.name if host.pk in seen else "", "of": plan.place.of}),
    )
