"""What of a host is offered to VMs. Whoever offers it decides for the host (it equals root), so that editors may pick
it: they name a row, never a path or a device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404

from vms import live
from vms.errors import BadFields
from vms.models import Host, HostDevice, Offer
from vms.permissions import Actor, Who, get_host_or_404, require, visible_offers
from vms.services import audit
from vms.services.host_paths import is_dangerous, is_path

PRIVILEGE: Final = "device.offer"
LONGEST: Final = 100
# A bridge carries other devices, and Linux's own hubs are the host's sockets.
BRIDGE: Final = "0x06"
LINUX: Final = "0x1d6b"


@dataclass(frozen=True)
class OfferLine:
    """An offer, and what keeps it from working: codes "away", "no_iommu", "shares_group" (with how many others)."""

    offer: Offer
    troubles: tuple[str, ...]


def find_offers(who: Who, host: int | None = None) -> QuerySet[Offer]:
    """What he may give to VMs, by host and name."""
    found = visible_offers(who).order_by("host__name", "host", "name", "pk")
    return found if host is None else found.filter(host=host)


def may_be_offered(device: HostDevice) -> bool:
    """Whether a VM can have it at all."""
    if device.kind == "pci":
        return not device.sort.startswith(BRIDGE)
    return device.kind == "mdev" or (device.kind == "usb" and device.vendor_id != LINUX)


def add_device(actor: Actor, device: HostDevice, name: str) -> Offer:
    """Offer a device. Raises NotAllowed, NotFresh, BadFields ("device", "name")."""
    require(actor, PRIVILEGE, device.host)
    faults = {"device": "device_kind"} if not may_be_offered(device) else {}
    if not device.present:
        faults["device"] = "device_gone"
    elif Offer.objects.filter(device=device).exists():
        faults["device"] = "device_offered"
    return store(actor, Offer(host=device.host, kind=device.kind, name=name, device=device), faults)


def add_folder(actor: Actor, host: Host, name: str, path: str, *, read_only: bool = True, again: str = "") -> Offer:
    """Offer a folder to be shared with VMs; one that is the host's own only where it is typed twice. Raises NotAllowed,
    NotFresh, BadFields ("path", "name")."""
    require(actor, PRIVILEGE, host)
    faults = path_faults("path", path, again)
    return store(actor, Offer(host=host, kind=Offer.Kind.FOLDER, name=name, path=path, read_only=read_only), faults)


def add_netboot(actor: Actor, host: Host, name: str, kernel: str, initrd: str = "") -> Offer:
    """Offer a kernel, and what it starts with, to start VMs from. Raises NotAllowed, NotFresh, BadFields ("path",
    "initrd", "name")."""
    require(actor, PRIVILEGE, host)
    faults = {} if is_path(kernel) else {"path": "whole_path"}
    if initrd and not is_path(initrd):
        faults["initrd"] = "whole_path"
    return store(actor, Offer(host=host, kind=Offer.Kind.NETBOOT, name=name, path=kernel, initrd=initrd), faults)


def path_faults(field: str, path: str, again: str) -> dict[str, str]:
    if not is_path(path):
        return {field: "whole_path"}
    return {field: "dangerous_path"} if is_dangerous(path) and again != path else {}


def store(actor: Actor, offer: Offer, faults: dict[str, str]) -> Offer:
    name = offer.name
    if not (0 < len(name) <= LONGEST and name.isprintable() and name == name.strip()):
        faults["name"] = "offer_name" if name else "missing"
    elif Offer.objects.filter(host=offer.host, name=name).exists():
        faults["name"] = "offer_taken"
    if faults:
        raise BadFields(faults)
    offer.created_by = actor.user
    try:
        with transaction.atomic():
            offer.save()
            tell("added:offer", actor, offer)
    except IntegrityError as error:
        raise BadFields({"name": "offer_taken"}) from error
    return offer


def withdraw(actor: Actor, offer: Offer) -> None:
    """It can be picked no more; a VM that has it keeps it. Raises NotAllowed, NotFresh, Http404."""
    require(actor, PRIVILEGE, offer.host)
    with transaction.atomic():
        deleted, _ = Offer.objects.filter(pk=offer.pk).delete()
        if not deleted:
            raise Http404
        tell("withdrew:offer", actor, offer)


def tell(action: str, actor: Actor, offer: Offer) -> None:
    device = offer.device.name if offer.device else ""
    audit.record(
        action, actor=actor, target=offer.host, offer=offer.name, kind=offer.kind, device=device, path=offer.path,
        initrd=offer.initrd, read_only=offer.read_only if offer.kind == Offer.Kind.FOLDER else None,
    )  # fmt: skip
    live.announce([f"host:{offer.host_id}"])


def make_lines(offers: Iterable[Offer]) -> list[OfferLine]:
    """The offers with what keeps each from working."""
    found = list(offers)
    groups: dict[tuple[int, int], int] = {}
    wanted = {offer.device.iommu_group for offer in found if offer.device and offer.device.iommu_group is not None}
    hosts = {offer.host_id for offer in found}
    others = HostDevice.objects.filter(host__in=hosts, iommu_group__in=wanted, kind="pci", present=True)
    for host, group in others.exclude(sort__startswith=BRIDGE).values_list("host_id", "iommu_group"):
        groups[host, group or 0] = groups.get((host, group or 0), 0) + 1
    return [OfferLine(offer, troubles(offer, groups)) for offer in found]


def troubles(offer: Offer, groups: dict[tuple[int, int], int]) -> tuple[str, ...]:
    device = offer.device
    if device is None:
        return ()
    if not device.present:
        return ("away",)
    if offer.kind != Offer.Kind.PCI:
        return ()
    if device.iommu_group is None:
        return ("no_iommu",)
    return ("shares_group",) if groups.get((offer.host_id, device.iommu_group), 0) > 1 else ()


def get_offer_or_404(who: Who, pk: int) -> Offer:
    """The offer; 404 when it does not exist or may not be seen."""
    offer = visible_offers(who).filter(pk=pk).first()
    if offer is None:
        raise Http404
    return offer


def get_device_or_404(who: Who, host: int, pk: int) -> HostDevice:
    """The device of that host; 404 when it does not exist or its host may not be seen."""
    device = HostDevice.objects.select_related("host").filter(pk=pk, host=get_host_or_404(who, host)).first()
    if device is None:
        raise Http404
    return device
