"""A host's devices as its page shows them: in sorts, what is in one IOMMU group together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet
from django.utils.translation import gettext

from vms.kinds.words import mark
from vms.models import Host, HostDevice
from vms.services.offers import may_be_offered

KINDS: Final[dict[str, str]] = {
    "pci": "PCI",
    "usb": "USB",
    "mdev_type": mark("What a device can be split into"),
    "mdev": mark("Mediated devices"),
    "block": mark("Disks"),
    "net": mark("Network cards"),
    "scsi": "SCSI",
}
# PCI's base classes.
SORTS: Final[dict[str, str]] = {
    "01": mark("storage"), "02": mark("network"), "03": mark("display"), "04": mark("multimedia"),
    "05": mark("memory"), "06": mark("bridge"), "07": mark("communication"), "08": mark("system"),
    "09": mark("input"), "0b": mark("processor"), "0c": mark("serial bus"), "0d": mark("wireless"),
    "10": mark("encryption"), "11": mark("signals"), "12": mark("accelerator"),
}  # fmt: skip


@dataclass(frozen=True)
class DeviceLine:
    """A device. number: its sort's, as "8086:0d57"; apart: it begins another IOMMU group than the one before it."""

    device: HostDevice
    name: str
    sort: str
    number: str
    apart: bool
    may_be_offered: bool
    offered: bool


@dataclass(frozen=True)
class Sort:
    kind: str
    title: str
    lines: list[DeviceLine]


def find_devices(host: Host) -> QuerySet[HostDevice]:
    """What the host has now."""
    return HostDevice.objects.filter(host=host, present=True).select_related("offer").order_by("kind", "name", "pk")


def sorts(host: Host) -> list[Sort]:
    """The devices by their sort; PCI by group, those without one last."""
    by_kind: dict[str, list[HostDevice]] = {}
    for device in find_devices(host):
        by_kind.setdefault(device.kind, []).append(device)
    found = []
    for kind, title in KINDS.items():
        if kind in by_kind:
            told = sorted(by_kind[kind], key=lambda each: (each.iommu_group is None, each.iommu_group or 0))
            found.append(Sort(kind, gettext(title), lines(told)))
    return found


def lines(devices: list[HostDevice]) -> list[DeviceLine]:
    made, before = [], None
    for device in devices:
        made.append(line(device, apart=device.iommu_group is not None and device.iommu_group != before))
        before = device.iommu_group
    return made


def line(device: HostDevice, *, apart: bool) -> DeviceLine:
    numbers = [each.removeprefix("0x") for each in (device.vendor_id, device.product_id)]
    sort = SORTS.get(device.sort.removeprefix("0x")[:2], "") if device.kind == "pci" else ""
    said = " ".join(filter(None, (device.vendor, device.product)))
    return DeviceLine(
        device=device,
        name=said or device.path or device.address or device.name,
        sort=gettext(sort) if sort else "" if device.kind == "pci" else device.sort,
        number=":".join(numbers) if all(numbers) and device.kind in ("pci", "usb") else "",
        apart=apart,
        may_be_offered=may_be_offered(device),
        offered=hasattr(device, "offer"),
    )
