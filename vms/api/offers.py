"""A host's check and devices, and what of hosts is offered to VMs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.errors import BadFields
from vms.models import HostDevice, Offer
from vms.permissions import get_host_or_404, require, visible_hosts
from vms.services import offers
from vms.services.devices import find_devices
from vms.services.host_check import checked

router = Router(tags=["hosts"])
hosts_router = Router(tags=["hosts"])

Path = Annotated[str, Field(max_length=1024)]
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]


class CheckLine(BaseModel):
    """command is for somebody who sits at the host: the dashboard runs none."""

    code: str
    result: Literal["pass", "warning", "fail", "unknown"]
    title: str
    means: str
    way: str
    command: str


class CheckItem(BaseModel):
    """read_at: when the host was read for it, null before that; lines is empty then."""

    read_at: datetime | None
    lines: list[CheckLine]


class DeviceItem(BaseModel):
    """kind: pci, usb, mdev (an instance), mdev_type (what instances can be made of; free are left), block, net or scsi.
    sort: a PCI device's class by number. physical: the device whose virtual function it is; functions: how many it has,
    of most_functions. iommu_group, numa_node: null where the host does not tell."""

    id: int
    kind: str
    name: str
    vendor: str
    vendor_id: str
    product: str
    product_id: str
    driver: str
    sort: str
    state: str
    address: str
    path: str
    parent: str
    physical: str
    iommu_group: int | None
    numa_node: int | None
    functions: int
    most_functions: int
    free: int | None
    size_bytes: int
    offered: bool


class OfferItem(BaseModel):
    """troubles: away (the host has it no more), no_iommu, shares_group (with other devices)."""

    id: int
    host: int
    kind: str
    name: str
    device: int | None
    path: str
    initrd: str
    read_only: bool
    troubles: list[str]


class OfferWish(BaseModel):
    """A device by its number; a folder by its path, again where that is the host's own; or a kernel (netboot)."""

    model_config = ConfigDict(extra="forbid")

    host: Number
    kind: Literal["device", "folder", "netboot"]
    name: str = Field(max_length=100)
    device: Number | None = None
    path: Path = ""
    initrd: Path = ""
    again: Path = ""
    read_only: bool = True


def device_item(device: HostDevice) -> DeviceItem:
    fields = {name: getattr(device, name) for name in DeviceItem.model_fields if name not in ("id", "offered")}
    return DeviceItem(id=device.pk, offered=hasattr(device, "offer"), **fields)


def items(found: list[Offer]) -> list[OfferItem]:
    return [
        OfferItem(
            id=line.offer.pk, host=line.offer.host_id, kind=line.offer.kind, name=line.offer.name,
            device=line.offer.device_id, path=line.offer.path, initrd=line.offer.initrd,
            read_only=line.offer.read_only, troubles=list(line.troubles),
        )
        for line in offers.make_lines(found)
    ]  # fmt: skip


@hosts_router.get("/{int:host_id}/check", response=answers(200, CheckItem, 404), summary="Whether it is fit for VMs")
def check(request: HttpRequest, host_id: int) -> CheckItem:
    host = get_host_or_404(actor(request), host_id)
    lines = checked(host)
    names = CheckLine.model_fields
    return CheckItem(
        read_at=host.hardware_at, lines=[CheckLine(**{name: getattr(line, name) for name in names}) for line in lines]
    )


@hosts_router.get("/{int:host_id}/devices", response=answers(200, Listing[DeviceItem], 404), summary="Its devices")
def devices(request: HttpRequest, host_id: int, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[DeviceItem]:
    host = get_host_or_404(actor(request), host_id)
    found = find_devices(host)
    return listing(found, lambda rows: [device_item(row) for row in rows], page, page_size, host.hardware_at)


@router.get("", response=answers(200, Listing[OfferItem]), summary="What you may give to VMs")
def index(
    request: HttpRequest, host: Number | None = None, page: PageNumber = 1, page_size: PageSize = 50
) -> Listing[OfferItem]:
    found = offers.find_offers(actor(request), host)
    return listing(found, lambda rows: items(list(rows)), page, page_size, timezone.now())


@router.post("", response=answers(201, OfferItem, 400, 403), summary="Offer something of a host")
def add(request: HttpRequest, body: OfferWish) -> Status[OfferItem]:
    who = actor(request)
    host = visible_hosts(who).filter(pk=body.host).first()
    if host is None:
        require(who, offers.PRIVILEGE)
        raise BadFields({"host": "offer_host"})
    if body.kind == "folder":
        made = offers.add_folder(who, host, body.name, body.path, read_only=body.read_only, again=body.again)
    elif body.kind == "netboot":
        made = offers.add_netboot(who, host, body.name, body.path, body.initrd)
    else:
        require(who, offers.PRIVILEGE, host)
        device = HostDevice.objects.select_related("host").filter(host=host, pk=body.device or 0).first()
        if device is None:
            raise BadFields({"device": "device_gone"})
        made = offers.add_device(who, device, body.name)
    return Status(201, items([made])[0])


@router.delete("/{int:offer_id}", response=answers(204, None, 403, 404), summary="Offer it no more")
def withdraw(request: HttpRequest, offer_id: int) -> Status[None]:
    who = actor(request)
    offers.withdraw(who, offers.get_offer_or_404(who, offer_id))
    return Status(204, None)
