"""libosinfo's systems, where the machine has its data: what each inherits is resolved, and told in our own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Final

from vms.libvirtxml import Told, read_osinfo
from vms.osdata.system import Medium, Size, System

PCI: Final = "http://pcisig.com/pci/"
# What it calls devices, in QEMU's words. That of "virtio-1.0" is the card, as virt-install takes it.
DEVICES: Final[dict[str, tuple[str, ...]]] = {
    f"{PCI}1af4/1000": ("virtio-net",), f"{PCI}1af4/1041": ("virtio-net", "virtio-1.0"),
    f"{PCI}1af4/1001": ("virtio-blk",), f"{PCI}1af4/1042": ("virtio-blk",),
    f"{PCI}1af4/1002": ("virtio-balloon",), f"{PCI}1af4/1045": ("virtio-balloon",),
    f"{PCI}1af4/1003": ("virtio-serial",), f"{PCI}1af4/1043": ("virtio-serial",),
    f"{PCI}1af4/1004": ("virtio-scsi",), f"{PCI}1af4/1048": ("virtio-scsi",),
    f"{PCI}1af4/1005": ("virtio-rng",), f"{PCI}1af4/1044": ("virtio-rng",),
    f"{PCI}1af4/1009": ("virtio-9p",), f"{PCI}1af4/1049": ("virtio-9p",),
    f"{PCI}1af4/1050": ("virtio-gpu",), f"{PCI}1af4/1052": ("virtio-input",), f"{PCI}1af4/1053": ("virtio-vsock",),
    f"{PCI}1af4/105a": ("virtio-fs",), f"{PCI}8086/100e": ("e1000",), f"{PCI}8086/10d3": ("e1000e",),
    f"{PCI}8086/2668": ("ich6",), f"{PCI}8086/293e": ("ich9",), f"{PCI}1b36/0004": ("qemu-xhci",),
    f"{PCI}1b36/000d": ("qemu-xhci",), f"{PCI}1b36/0100": ("qxl",),
    "http://usb.org/usb/80ee/0021": ("tablet",), "http://qemu.org/chipset/x86/q35": ("q35",),
}  # fmt: skip
KERNELS: Final = {"winnt": "windows", "win9x": "windows", "win16": "windows"}
FAMILIES: Final = {"alpinelinux": "alpine", "archlinux": "arch", "win": "windows", "winnt": "windows"}
MIB, GIB = 1 << 20, 1 << 30


def load(folders: tuple[Path, ...]) -> list[System]:
    """All that have a short id and a name, the newest first."""
    told = read_osinfo(folders)
    found = [system(each, told) for each in told.values() if each.short_ids and each.texts.get("name")]
    return sorted(found, key=lambda one: (one.released or date.min, one.id), reverse=True)


def system(told: Told, all_told: Mapping[str, Told]) -> System:
    lines = [told, *ancestors(told, all_told)]
    # What itself says comes last, and decides.
    devices = dict(each for one in reversed(lines) for each in one.devices)
    firmware = dict(each for one in reversed(lines) for each in one.firmware)
    resources: Mapping[tuple[str, str, str], int] = next((one.resources for one in lines if one.resources), {})
    texts = told.texts
    distro, family = texts.get("distro", ""), texts.get("family", "other")
    kernel = KERNELS.get(family, family)
    return System(
        id=told.short_ids[0],
        name=texts["name"],
        family=FAMILIES.get(distro, distro),
        kernel=kernel,
        version=texts.get("version", ""),
        url=told.id,
        aliases=tuple(told.short_ids[1:]),
        least=size(resources, "minimum"),
        advised=advised(resources),
        devices=frozenset(word for id, does in devices.items() if does for word in DEVICES.get(id, ())),
        bios=firmware.get("bios", True),
        uefi=firmware.get("efi", False),
        localtime=kernel in ("windows", "solaris"),
        released=day(texts.get("release-date", "")),
        ended=day(texts.get("eol-date", "")),
        rolling=texts.get("release-status") == "rolling",
        media=tuple(media(told)),
    )


def ancestors(told: Told, all_told: Mapping[str, Told]) -> Iterator[Told]:
    """Those that it comes from, the nearest first, each once."""
    seen, waiting = {told.id}, list(told.like)
    while waiting:
        id = waiting.pop(0)
        if id not in seen and id in all_told:
            seen.add(id)
            yield all_told[id]
            waiting += all_told[id].like


def size(resources: Mapping[tuple[str, str, str], int], level: str) -> Size:
    """0 for what is not told."""

    def told(name: str) -> int:
        return resources.get(("x86_64", level, name)) or resources.get(("all", level, name), 0)

    return Size(told("n-cpus"), -(-told("ram") // MIB), -(-told("storage") // GIB))


def advised(resources: Mapping[tuple[str, str, str], int]) -> Size:
    """Twice the least where nothing is advised, as virt-install does."""
    least, told = size(resources, "minimum"), size(resources, "recommended")
    return Size(
        told.cpus or 2 * least.cpus, told.memory_mib or 2 * least.memory_mib, told.disk_gib or 2 * least.disk_gib
    )


def day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def media(told: Told) -> Iterator[Medium]:
    for each in told.media:
        size = each.get("volume-size", "")
        yield Medium(
            volume=each.get("volume-id", ""),
            system=each.get("system-id", ""),
            publisher=each.get("publisher-id", ""),
            application=each.get("application-id", ""),
            size_bytes=int(size) if size.isascii() and size.isdigit() else 0,
            arch="" if each["arch"] == "all" else each["arch"],
        )
