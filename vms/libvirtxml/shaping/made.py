"""Devices that can be added, each as one element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.domain import AGENT, DomainXML, Graphics
from vms.libvirtxml.drives import free_target
from vms.libvirtxml.network import CLEAN_TRAFFIC
from vms.libvirtxml.screen import Listen, set_listen
from vms.libvirtxml.shaping.buses import PREFIXES
from vms.libvirtxml.shaping.lens import BadValue
from vms.libvirtxml.shaping.sharing import share_memory
from vms.libvirtxml.shaping.tree import place_device

CLIPBOARD: Final = "com.redhat.spice.0"
DISK_BUSES: Final = ("virtio", "scsi", "sata", "usb", "ide")


@dataclass(frozen=True)
class Sort:
    """A sort of device. tag: its element. make: the element for a document and what was said of it. live: whether a VM
    can get one while it runs. once: whether a second makes no sense."""

    tag: str
    make: Callable[[DomainXML, Mapping[str, Any]], etree._Element]
    live: bool = False
    once: Callable[[DomainXML], bool] = lambda document: False


def free(document: DomainXML, said: Mapping[str, Any]) -> str:
    """The name that was chosen for a disk. Raises BadValue where it is taken."""
    if any(disk.target == said["target"] for disk in document.disks):
        raise BadValue("target", "twice")
    return str(said["target"])


def name_of(bus: str, *documents: DomainXML) -> str:
    """A name that no disk of theirs has."""
    prefix = PREFIXES[bus]
    both = DomainXML(etree.Element("domain"))
    for document in documents:
        both.devices.extend(deepcopy(disk.element) for disk in document.disks)
    return free_target(both, prefix)


def disk(document: DomainXML, said: Mapping[str, Any]) -> etree._Element:
    """said: pool, volume, format, bus, target."""
    bus = str(said["bus"])
    if bus not in DISK_BUSES:
        raise BadValue("bus", "choice")
    driver = E.driver(name="qemu", type=str(said["format"]), discard="unmap")
    source = E.source(pool=str(said["pool"]), volume=str(said["volume"]))
    target = E.target(dev=free(document, said), bus=bus)
    found: etree._Element = E.disk(driver, source, target, type="volume", device="disk")
    return found


def drive(document: DomainXML, said: Mapping[str, Any]) -> etree._Element:
    """An empty one for CDs. said: target, bus."""
    target = E.target(dev=free(document, said), bus=str(said["bus"]))
    found: etree._Element = E.disk(E.driver(name="qemu", type="raw"), target, E.readonly(), type="file", device="cdrom")
    return found


def card(document: DomainXML, said: Mapping[str, Any]) -> etree._Element:
    """Filtered, so that no guest speaks for another's address. said: network, mac, model."""
    found: etree._Element = E.interface(
        E.mac(address=str(said["mac"])), E.source(network=str(said["network"])), E.model(type=str(said["model"])),
        E.filterref(filter=CLEAN_TRAFFIC), type="network",
    )  # fmt: skip
    return found


def screen(document: DomainXML, said: Mapping[str, Any]) -> etree._Element:
    """VNC. said: listen, where the dashboard reaches it."""
    element = E.graphics(E.listen(type="none"), type="vnc")
    places: dict[str, Listen] = {"none": "none", "socket": "socket", "loopback": "loopback"}
    set_listen(Graphics(element), places.get(str(said.get("listen")), "none"))
    found: etree._Element = element
    return found


def host_device(document: DomainXML, said: Mapping[str, Any]) -> etree._Element:
    """said: kind, and of PCI its place ("0000:03:00.0"), of USB by its product vendor and product, else bus and device,
    with what happens where it is not plugged in (policy); of a mediated one its uuid."""
    kind = str(said["kind"])
    if kind == "pci":
        domain, bus, rest = str(said["place"]).split(":")
        slot, _, function = rest.partition(".")
        source = E.source(
            E.address(domain=f"0x{domain}", bus=f"0x{bus}", slot=f"0x{slot}", function=f"0x{function}")
        )  # fmt: skip
        found: etree._Element = E.hostdev(source, mode="subsystem", type="pci", managed="yes")
    elif kind == "usb":
        if "product" in said:
            source = E.source(E.vendor(id=str(said["vendor"])), E.product(id=str(said["product"])))
        else:
            source = E.source(E.address(bus=str(said["bus"]), device=str(said["device"])))
        source.set("startupPolicy", str(said["policy"]))
        found = E.hostdev(source, mode="subsystem", type="usb", managed="yes")
    else:
        source = E.source(E.address(uuid=str(said["uuid"])))
        found = E.hostdev(source, mode="subsystem", type="mdev", model="vfio-pci")
    return found


def folder(document: DomainXML, said: Mapping[str, Any]) -> etree._Element:
    """By virtiofs, whose server reads and writes the guest's memory: that is shared with it. said: path, tag,
    read_only."""
    more = [E.readonly()] if said["read_only"] else []
    share_memory(document.element)
    found: etree._Element = E.filesystem(
        E.driver(type="virtiofs"), E.source(dir=str(said["path"])), E.target(dir=str(said["tag"])), *more,
        type="mount", accessmode="passthrough",
    )  # fmt: skip
    return found


def plain(element: etree._Element) -> Callable[[DomainXML, Mapping[str, Any]], etree._Element]:
    return lambda document, said: etree.fromstring(etree.tostring(element))


def has(path: str) -> Callable[[DomainXML], bool]:
    return lambda document: document.element.find(path) is not None


def has_balloon(document: DomainXML) -> bool:
    return any(element.get("model") != "none" for element in document.element.iterfind("devices/memballoon"))


def channel(name: str) -> Callable[[DomainXML], bool]:
    return lambda document: name in document.channels


SORTS: Final[Mapping[str, Sort]] = {
    "disk": Sort("disk", disk, live=True),
    "cdrom": Sort("disk", drive),
    "card": Sort("interface", card, live=True),
    "hostdev": Sort("hostdev", host_device, live=True),
    "folder": Sort("filesystem", folder),
    "tablet": Sort("input", plain(E.input(type="tablet", bus="usb")), once=has("devices/input[@type='tablet']")),
    "screen": Sort("graphics", screen, once=has("devices/graphics[@type='vnc']")),
    "sound": Sort("sound", plain(E.sound(model="ich9")), once=has("devices/sound")),
    "serial": Sort("serial", plain(E.serial(type="pty"))),
    "console": Sort("console", plain(E.console(E.target(type="virtio"), type="pty")),
                    once=has("devices/console/target[@type='virtio']")),
    "agent": Sort("channel", plain(E.channel(E.target(type="virtio", name=AGENT), type="unix")), live=True,
                  once=channel(AGENT)),
    "clipboard": Sort(
        "channel",
        plain(E.channel(E.source(E.clipboard(copypaste="yes")), E.target(type="virtio", name=CLIPBOARD),
                        type="qemu-vdagent")),
        once=channel(CLIPBOARD),
    ),
    "watchdog": Sort("watchdog", plain(E.watchdog(model="i6300esb", action="reset")), live=True,
                     once=has("devices/watchdog")),
    "tpm": Sort("tpm", plain(E.tpm(E.backend(type="emulator", version="2.0"), model="tpm-crb")),
                once=has("devices/tpm")),
    "rng": Sort("rng", plain(E.rng(E.backend("/dev/urandom", model="random"), model="virtio")), live=True,
                once=has("devices/rng")),
    "panic": Sort("panic", plain(E.panic(model="isa")), once=has("devices/panic")),
    "vsock": Sort("vsock", plain(E.vsock(E.cid(auto="yes"), model="virtio")), live=True, once=has("devices/vsock")),
    "balloon": Sort("memballoon", plain(E.memballoon(model="virtio")), once=has_balloon),
}  # fmt: skip


def add(document: DomainXML, sort: str, said: Mapping[str, Any]) -> etree._Element:
    """The new device, behind those of its sort. Raises BadValue where there is one already."""
    chosen = SORTS[sort]
    if chosen.once(document):
        raise BadValue("sort", "twice")
    made = chosen.make(document, said)
    devices = document.devices
    if sort == "balloon":
        for old in devices.findall("memballoon"):
            devices.remove(old)
    place_device(devices, made)
    return made
