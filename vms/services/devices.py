"""A host's devices as its page shows them: in sorts, what is in one IOMMU group together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext

from vms.kinds.words import mark
from vms.models import Host, HostDevice
from vms.services.offers import may_be_offered
from vms.services.rows import gib

KINDS: Final[dict[str, str]] = {
    "pci": "PCI",
    "usb": "USB",
    "mdev_type": mark("What a device can be split into"),
    "mdev": mark("Mediated devices"),
    "block": mark("Disks"),
    "net": mark("Network cards"),
    "scsi": "SCSI",
}
SEARCHED: Final = ("name", "vendor", "vendor_id", "product", "product_id", "address", "path", "driver")
# PCI's base classes.
SORTS: Final[dict[str, str]] = {
    "01": mark("storage"), "02": mark("network"), "03": mark("display"), "04": mark("multimedia"),
    "05": mark("memory"), "06": mark("bridge"), "07": mark("communication"), "08": mark("system"),
    "09": mark("input"), "0b": mark("processor"), "0c": mark("serial bus"), "0d": mark("wireless"),
    "10": mark("encryption"), "11": mark("signals"), "12": mark("accelerator"),
}  # fmt: skip


@dataclass(frozen=True)
class DeviceLine:
    """A device. facts: what is said below its name; apart: it begins another IOMMU group than the one before it."""

    device: HostDevice
    name: str
    facts: list[str]
    apart: bool
    may_be_offered: bool
    offered: bool


@dataclass(frozen=True)
class Sort:
    """Devices of one kind. count: how many there are of it in all that was found."""

    kind: str
    title: str
    count: int
    lines: list[DeviceLine]


def find_devices(host: Host, *, q: str = "", kind: str = "") -> QuerySet[HostDevice]:
    """What the host has now; q: words of which each is in what is known of the device."""
    found = HostDevice.objects.filter(host=host, present=True).select_related("offer").order_by("kind", "name", "pk")
    for word in q.split()[:10]:
        alike = Q()
        for field in SEARCHED:
            alike |= Q(**{f"{field}__icontains": word})
        found = found.filter(alike)
    return found.filter(kind=kind) if kind else found


def in_order(devices: Iterable[HostDevice]) -> list[HostDevice]:
    """By kind as the page has them, then by IOMMU group, those without one last."""
    order = list(KINDS)
    there = [device for device in devices if device.kind in KINDS]
    return sorted(there, key=lambda each: (order.index(each.kind), each.iommu_group is None, each.iommu_group or 0))


def kinds(host: Host) -> list[tuple[str, str, int]]:
    """(kind, its title, how many the host has) of each that there is."""
    counts = dict(find_devices(host).order_by().values_list("kind").annotate(Count("pk")))
    return [(kind, gettext(title), counts[kind]) for kind, title in KINDS.items() if kind in counts]


def sorts(shown: Iterable[HostDevice], found: Iterable[HostDevice]) -> list[Sort]:
    """Those that are shown, which are a part of what was found, by kind."""
    counts: dict[str, int] = {}
    for device in found:
        counts[device.kind] = counts.get(device.kind, 0) + 1
    grouped = groupby(shown, key=lambda device: device.kind)
    return [Sort(kind, gettext(KINDS[kind]), counts[kind], lines(devices)) for kind, devices in grouped]


def lines(devices: Iterable[HostDevice]) -> list[DeviceLine]:
    made, before = [], None
    for device in devices:
        made.append(line(device, apart=device.iommu_group is not None and device.iommu_group != before))
        before = device.iommu_group
    return made


def line(device: HostDevice, *, apart: bool) -> DeviceLine:
    return DeviceLine(
        device=device,
        name=called(device),
        facts=list(filter(None, facts(device, called(device)))),
        apart=apart,
        may_be_offered=may_be_offered(device),
        offered=hasattr(device, "offer"),
    )


def called(device: HostDevice) -> str:
    """What it is called; a number is no name."""
    said = [word for word in (device.vendor, device.product) if word and not word.startswith("0x")]
    return " ".join(said) or device.path or device.address or device.name


def facts(device: HostDevice, name: str) -> Iterator[str]:
    numbers = [each.removeprefix("0x") for each in (device.vendor_id, device.product_id)]
    sort = SORTS.get(device.sort.removeprefix("0x")[:2], "") if device.kind == "pci" else ""
    yield from (each for each in (device.path, device.address) if each != name)
    yield ":".join(numbers) if all(numbers) and device.kind in ("pci", "usb") else ""
    yield gettext(sort) if sort else "" if device.kind == "pci" else device.sort
    yield device.driver
    yield device.state
    yield size(device.size_bytes) if device.size_bytes else ""
    if device.numa_node is not None:
        yield gettext("NUMA node {n}").format(n=device.numa_node)
    if device.physical:
        yield gettext("virtual function of {device}").format(device=device.physical)
    if device.most_functions:
        words = gettext("{n} of {most} virtual functions")
        yield words.format(n=device.functions, most=device.most_functions)
    if device.free is not None:
        yield gettext("{n} more can be made").format(n=device.free)


def size(number: int) -> str:
    kib = number / 1024
    if kib < 1 << 20:
        return gettext("{n} MiB").format(n=round(kib / 1024))
    return gettext("{n} GiB").format(n=gib(kib))
