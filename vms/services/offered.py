"""What is offered of a host, given to VMs: as it is written in a definition, and found again there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vms.errors import BadFields, NotAllowed
from vms.libvirtxml import DomainXML, plain
from vms.libvirtxml.shaping import SORTS, Part
from vms.models import Host, HostDevice, Offer
from vms.permissions import Actor, Who, visible_offers

# What happens where a USB device is not plugged in, by libvirt's words; the first is what is said of none.
POLICIES: Final = ("optional", "mandatory", "requisite")
BY: Final = ("product", "address")
SORT_OF: Final = {
    Offer.Kind.PCI: "hostdev", Offer.Kind.USB: "hostdev", Offer.Kind.MDEV: "hostdev", Offer.Kind.FOLDER: "folder",
}  # fmt: skip


def offers_for(who: Who, host: Host, sort: str) -> list[Offer]:
    """What he may give to a VM of the host as such a device, and is there."""
    rows = visible_offers(who).filter(host=host).order_by("name", "pk")
    return [
        row for row in rows if SORT_OF.get(Offer.Kind(row.kind)) == sort and (row.device is None or row.device.present)
    ]


def label(offer: Offer) -> str:
    """Its name, and of PCI what else is in its IOMMU group: that goes along, or nothing does."""
    device = offer.device
    if device is None or device.kind != "pci" or device.iommu_group is None:
        return offer.name
    others = HostDevice.objects.filter(host=offer.host_id, kind="pci", iommu_group=device.iommu_group, present=True)
    names = [f"{one.address} {one.product}".strip() for one in others.exclude(pk=device.pk).order_by("address")]
    return f"{offer.name} · IOMMU {device.iommu_group}" + (f": + {', '.join(names)}" if names else "")


def said_of(actor: Actor, host: Host, choice: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(the sort of device, what is said of it). choice: offer, the id, and for USB by and policy. Raises NotAllowed
    where it is none that he may give."""
    offer = visible_offers(actor).filter(host=host, pk=choice["offer"]).first()
    if offer is None or offer.kind not in SORT_OF:
        raise NotAllowed(privilege="host.use")
    return SORT_OF[Offer.Kind(offer.kind)], said(
        offer, str(choice.get("by", BY[0])), str(choice.get("policy", POLICIES[0]))
    )


def said(offer: Offer, by: str, policy: str) -> dict[str, Any]:
    device = offer.device
    if device is None:
        return {"path": offer.path, "tag": tag_of(offer), "read_only": offer.read_only}
    if device.kind == "pci":
        return {"kind": "pci", "place": device.address}
    if device.kind == "mdev":
        return {"kind": "mdev", "uuid": device.address}
    if by == "product":
        return {"kind": "usb", "vendor": device.vendor_id, "product": device.product_id, "policy": policy}
    bus, _, number = device.address.partition(":")
    return {"kind": "usb", "bus": str(int(bus or 0)), "device": str(int(number or 0)), "policy": policy}


def tag_of(offer: Offer) -> str:
    """By which the guest mounts it; virtiofs takes 36 bytes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", offer.name).strip("-.")[:36] or f"folder-{offer.pk}"


def chosen(actor: Actor, host: Host, sort: str, wish: Mapping[str, Any]) -> dict[str, Any]:
    """The choice that a request names, by its ids. Raises BadFields."""
    offer, by, policy = wish.get("offer"), wish.get("by") or BY[0], wish.get("policy") or POLICIES[0]
    if offer not in [one.pk for one in offers_for(actor, host, sort)]:
        raise BadFields({"offer": "choice"})
    if by not in BY or policy not in POLICIES:
        raise BadFields({"by" if by not in BY else "policy": "choice"})
    return {"offer": offer, "by": by, "policy": policy}


def element(sort: str, told: Mapping[str, Any]) -> bytes:
    return plain(SORTS[sort].make(DomainXML.parse("<domain/>"), told))


def choice_of(actor: Actor, host: Host, part: Part) -> dict[str, Any] | None:
    """The choice by which the device of a definition came to be one; None for one that he could not give."""
    for choice in choices(actor, host):
        sort, told = said_of(actor, host, choice)
        if element(sort, told) == plain(part.element):
            return choice
    return None


def choices(actor: Actor, host: Host) -> Iterator[dict[str, Any]]:
    for offer in visible_offers(actor).filter(host=host):
        if offer.kind == Offer.Kind.USB:
            yield from ({"offer": offer.pk, "by": by, "policy": policy} for by in BY for policy in POLICIES)
        elif offer.kind in SORT_OF:
            yield {"offer": offer.pk}
