"""What of a definition decides whether its VM can go to another host: what it needs there, and what it has of this one.

What libvirt refuses is in qemuMigrationSrcIsAllowed and qemuMigrationSrcIsSafe of its sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import KIB, find
from vms.libvirtxml.sources import Source, source

# Policies of a feature that it must have, and of one that it must not.
HAS: Final = frozenset({"require", "force"})
LACKS: Final = frozenset({"disable", "forbid"})
# So much of a list of processors is read.
LONGEST: Final = 1024


@dataclass(frozen=True)
class CpuNeed:
    """The processor that it is to see. mode: "custom", "host-model", "host-passthrough", "maximum", "" for the
    hypervisor's own. has, lacks: features beside those of the model. stays: bound to its host, since it may have what
    no other host can go on with. clocked: it counts by its host's clock, which goes on nowhere else."""

    mode: str = ""
    model: str = ""
    vendor: str = ""
    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    stays: bool = False
    clocked: bool = False


@dataclass(frozen=True)
class DiskNeed:
    """A disk or drive with something in it. at: [how, where, format] of it and of what lies below, as far as that is
    told; network: it is reached over the network, the same from everywhere."""

    target: str
    medium: bool
    at: tuple[tuple[str, str, str], ...]
    network: bool
    readonly: bool
    shareable: bool
    transient: bool
    cache: str


@dataclass(frozen=True)
class MoveNeeds:
    """bridges, links: of the host, which its cards are on by name; bound: its devices that are the host's own
    ("pci", "mdev", "usb", "scsi", "vdpa", "card", "shmem", "nvdimm", "tpm"), each once. folders: how many of the
    host's it shares, virtiofs: one of them by virtiofs. page_kib: the huge pages that its memory is of, 0 for any
    size, None for none. last_cpu: the highest of the host's processors to which it is bound, -1 for none. labels: the
    security models whose labels it names itself."""

    type: str
    arch: str
    machine: str
    emulator: str
    vcpus: int
    memory_kib: int
    cpu: CpuNeed
    networks: tuple[str, ...]
    bridges: tuple[str, ...]
    links: tuple[str, ...]
    filters: tuple[str, ...]
    disks: tuple[DiskNeed, ...]
    bound: tuple[str, ...]
    folders: int
    virtiofs: bool
    firmware: bool
    secure_boot: bool
    nvram: bool
    tpm: bool
    page_kib: int | None
    last_cpu: int
    labels: tuple[str, ...]


def move_needs(domain: DomainXML) -> MoveNeeds:
    root, devices = domain.element, domain.devices
    cards = devices.findall("interface")
    shares = devices.findall("filesystem")
    return MoveNeeds(
        type=domain.type or "",
        arch=domain.arch or "",
        machine=domain.machine or "",
        emulator=(domain.emulator or "").strip(),
        vcpus=domain.vcpus or 1,
        memory_kib=domain.memory_kib or 0,
        cpu=cpu_need(root),
        networks=once(find(card, "source/@network") for card in cards if card.get("type") == "network"),
        bridges=once(find(card, "source/@bridge") for card in cards if card.get("type") == "bridge"),
        links=once(find(card, "source/@dev") for card in cards if card.get("type") == "direct"),
        filters=once(find(card, "filterref/@filter") for card in cards),
        disks=tuple(disk_needs(devices)),
        bound=once(bound(devices)),
        folders=len(shares),
        virtiofs=any(find(share, "driver/@type") == "virtiofs" for share in shares),
        firmware=domain.firmware == "efi" or find(root, "os/loader/@type") == "pflash",
        secure_boot=find(root, "os/loader/@secure") == "yes",
        nvram=root.find("os/nvram") is not None,
        tpm=devices.find("tpm/backend[@type='emulator']") is not None,
        page_kib=page_kib(root),
        last_cpu=last_cpu(root),
        labels=once(label.get("model") for label in root.iterfind("seclabel") if label.get("type") == "static"),
    )


def once(found: Iterator[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in found if name))


def cpu_need(root: etree._Element) -> CpuNeed:
    element = root.find("cpu")
    if element is None:
        return CpuNeed()
    told = {str(one.get("name")): str(one.get("policy") or "require") for one in element.iterfind("feature")}
    # QEMU refuses while the clock's frequency is its host's and not said.
    fixed = any(one.get("name") == "tsc" and one.get("frequency") for one in root.iterfind("clock/timer"))
    model = (find(element, "model") or "").strip()
    return CpuNeed(
        mode=element.get("mode") or ("custom" if model else ""),
        model=model,
        vendor=(find(element, "vendor") or "").strip(),
        has=frozenset(name for name, policy in told.items() if policy in HAS),
        lacks=frozenset(name for name, policy in told.items() if policy in LACKS),
        stays=element.get("migratable") == "off",
        clocked=told.get("invtsc") in HAS and not fixed,
    )


def disk_needs(devices: etree._Element) -> Iterator[DiskNeed]:
    for disk in devices.iterfind("disk"):
        own = source(disk, find(disk, "driver/@type") or "")
        if not own:
            continue
        below = [source(layer, find(layer, "format/@type") or "") for layer in disk.iter("backingStore")]
        yield DiskNeed(
            target=find(disk, "target/@dev") or "",
            medium=disk.get("device", "disk") not in ("disk", "lun"),
            at=tuple(triple(one) for one in (own, *below) if one),
            network=own[0] == "network",
            readonly=disk.find("readonly") is not None or disk.get("device") == "cdrom",
            shareable=disk.find("shareable") is not None,
            transient=disk.find("transient") is not None,
            cache=find(disk, "driver/@cache") or "",
        )


def triple(one: Source) -> tuple[str, str, str]:
    return one[0], one[1], one[2]


def bound(devices: etree._Element) -> Iterator[str | None]:
    for device in devices.iterfind("hostdev"):
        kind = device.get("type") if device.get("mode", "subsystem") == "subsystem" else "capabilities"
        # It is unplugged before, and plugged in anew where the VM has come to.
        if kind != "pci" or find(device, "teaming/@type") != "transient":
            yield "scsi" if kind == "scsi_host" else kind
    for card in devices.iterfind("interface"):
        kind = card.get("type")
        if kind == "hostdev" and find(card, "teaming/@type") != "transient":
            yield "pci"
        elif kind == "vdpa":
            yield "vdpa"
        elif kind in ("vhostuser", "ethernet"):
            yield "card"
    for disk in devices.iterfind("disk"):
        if disk.get("type") in ("nvme", "vhostuser", "vhostvdpa"):
            yield "pci"
    for memory in devices.iterfind("shmem"):
        if memory.get("role") != "master" or find(memory, "model/@type") == "ivshmem":
            yield "shmem"
    for memory in devices.iterfind("memory"):
        if memory.get("model") in ("nvdimm", "virtio-pmem", "sgx-epc"):
            yield "nvdimm"
    if devices.find("tpm/backend[@type='passthrough']") is not None:
        yield "tpm"


def page_kib(root: etree._Element) -> int | None:
    pages = root.find("memoryBacking/hugepages")
    if pages is None:
        return None
    page = pages.find("page")
    size = (page.get("size") or "") if page is not None else ""
    if page is None or not (size.isascii() and size.isdigit() and len(size) < 12):
        return 0
    return int(int(size) * KIB.get(page.get("unit") or "KiB", 1))


def last_cpu(root: etree._Element) -> int:
    sets = [root.find("vcpu"), *root.iterfind("cputune/*")]
    return max((highest(one.get("cpuset") or "") for one in sets if one is not None), default=-1)


def highest(cpuset: str) -> int:
    """The last processor of a list such as "0-3,^1,8", -1 for none."""
    words = cpuset[:LONGEST].replace("-", ",").split(",")
    numbers = [int(word) for word in words if word.isascii() and word.strip().isdigit() and len(word) < 6]
    return max(numbers, default=-1)
