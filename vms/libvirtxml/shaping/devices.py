"""The properties of devices."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from lxml import etree

from vms.libvirtxml.domain import Disk, Graphics
from vms.libvirtxml.lenses import find
from vms.libvirtxml.screen import Listen, set_listen
from vms.libvirtxml.shaping.buses import owner, write_bus
from vms.libvirtxml.shaping.lens import DEFINE, TUNE, Lens, Value, choice, flag, number, reader, text, whole
from vms.libvirtxml.shaping.tree import make, place_behind, place_device, put, remove

SERIAL: Final = re.compile(r"[A-Za-z0-9_.+-]{1,36}")
MEDIUM: Final = re.compile(r"[^/\x00-\x1f]{1,255}/[^/\x00-\x1f]{1,255}")
# What a keyboard has: clients send bytes, and disagree about others.
TYPED: Final = re.compile(r"[\x20-\x7e]+")
NETWORK: Final = re.compile(r"[^/\x00-\x1f]{1,255}")
LISTENS: Final[dict[str, Listen]] = {
    "none": "none", "socket": "socket", "loopback": "loopback", "everywhere": "everywhere",
}  # fmt: skip
# Those below are the hypervisor's and the host's own, the last is anybody's.
LEAST_CID: Final = 3
MOST_CID: Final = (1 << 32) - 2
KEYMAPS: Final = (
    "", "ar", "cz", "da", "de", "de-ch", "en-gb", "en-us", "es", "et", "fi", "fo", "fr", "fr-be", "fr-ca", "fr-ch",
    "hr", "hu", "is", "it", "ja", "lt", "lv", "mk", "nl", "no", "pl", "pt", "pt-br", "ru", "sl", "sv", "th", "tr",
)  # fmt: skip


def is_drive(element: etree._Element) -> bool:
    return element.get("device") in ("cdrom", "floppy")


def is_disk(element: etree._Element) -> bool:
    return not is_drive(element)


def read_medium(drive: etree._Element) -> Value:
    return Disk(drive).source


def write_medium(drive: etree._Element, value: Value) -> None:
    """ "pool/volume", or "" for an empty drive."""
    for name in ("source", "backingStore"):
        for element in drive.findall(name):
            remove(element)
    if not value:
        drive.set("type", "file")
        return
    drive.set("type", "volume")
    pool, _, volume = str(value).partition("/")
    source = make(drive, "source")
    source.set("pool", pool)
    source.set("volume", volume)
    if drive.find("driver") is None:
        make(drive, "driver").set("name", "qemu")
    put(drive, "driver/@type", "raw")


def write_password(graphics: etree._Element, value: Value) -> None:
    """How long the old one was good for means nothing for another."""
    put(graphics, "@passwdValidTo", None)
    put(graphics, "@passwd", str(value) if value else None)


def password(*, longest: int, only: Callable[[etree._Element], bool]) -> Lens:
    return Lens(
        "password", "password", reader("@passwd"), write_password, live="device", pattern=TYPED, longest=longest,
        loses=True, only=only,
    )  # fmt: skip


def of_network(card: etree._Element) -> bool:
    return card.get("type") == "network"


def write_rate(way: str, card: etree._Element, value: Value) -> None:
    """What stands beside it, such as a peak, means nothing without it."""
    if value is None:
        put(card, f"bandwidth/{way}", None)
    else:
        put(card, f"bandwidth/{way}/@average", str(value))


def rate(name: str, way: str) -> Lens:
    """KiB in a second."""
    return Lens(
        name, "number", number(name, f"bandwidth/{way}/@average").read,
        lambda card, value: write_rate(way, card, value), live="device", least=1, most=1 << 31, loses=True,
        privilege=TUNE,
    )  # fmt: skip


def write_video(video: etree._Element, value: Value) -> None:
    """The memory that the old card had is not the new one's, and neither is its place."""
    model = video.find("model")
    model = make(video, "model") if model is None else model
    for name in list(model.attrib):
        del model.attrib[name]
    for child in list(model):
        remove(child)
    model.set("type", str(value))
    leave_place(video)


def read_3d(video: etree._Element) -> Value:
    return find(video, "model/acceleration/@accel3d") == "yes"


def write_3d(video: etree._Element, value: Value) -> None:
    """With what draws on the host beside the screen, as long as a card needs it."""
    put(video, "model/acceleration/@accel3d", "yes" if value else None)
    devices = owner(video).devices
    there = devices.findall(DRAWING)
    if value and not (there or devices.find("graphics/gl[@enable='yes']") is not None):
        place_device(devices, etree.Element("graphics", type="egl-headless"))
    if not any(read_3d(one) for one in devices.findall("video")):
        for each in there:
            remove(each)


def leave_place(element: etree._Element) -> None:
    """Let libvirt give it another place on its bus."""
    for address in element.findall("address"):
        remove(address)


def write_entropy(rng: etree._Element, value: Value) -> None:
    """So many bytes in a second; a period means nothing without them."""
    put(rng, "rate", None)
    if value is not None:
        put(rng, "rate/@bytes", str(value))
        put(rng, "rate/@period", "1000")


def model(name: str, choices: tuple[str, ...], **more: bool) -> Lens:
    """A model is another device to the guest, with another place."""

    def write(element: etree._Element, value: Value) -> None:
        put(element, "@model", str(value))
        for codec in element.findall("codec"):
            remove(codec)
        leave_place(element)

    return Lens(name, "choice", reader("@model"), write, choices=choices, loses=True, required=True, **more)  # type: ignore[arg-type]


def set_clipboard(channel: etree._Element, value: Value) -> None:
    if channel.find("source") is None:
        target = channel.find("target")
        source = etree.Element("source")
        if target is not None:
            place_behind(target, source)
        else:
            channel.append(source)
    put(channel, "source/clipboard/@copypaste", str(value) if value else None)


DISK: Final = (
    Lens("medium", "medium", read_medium, write_medium, live="device", pattern=MEDIUM, longest=511, loses=True,
         only=is_drive),
    choice("cache", "driver/@cache", ("", "none", "writethrough", "writeback", "directsync", "unsafe"), only=is_disk),
    choice("discard", "driver/@discard", ("", "ignore", "unmap"), only=is_disk),
    choice("detect_zeroes", "driver/@detect_zeroes", ("", "off", "on", "unmap"), only=is_disk),
    choice("io", "driver/@io", ("", "threads", "native", "io_uring"), only=is_disk),
    flag("readonly", "readonly", only=is_disk),
    text("serial", "serial", longest=36, pattern=SERIAL),
    number("bytes_sec", "iotune/total_bytes_sec", live="limits", least=1, most=1 << 50, privilege=TUNE),
    number("iops_sec", "iotune/total_iops_sec", live="limits", least=1, most=1 << 31, privilege=TUNE),
    Lens("bus", "choice", reader("target/@bus"), write_bus, choices=("virtio", "sata", "scsi", "usb", "ide"),
         loses=True, required=True),
)  # fmt: skip
CARD: Final = (
    Lens("network", "network", reader("source/@network"), lambda card, value: put(card, "source/@network", str(value)),
         live="device", pattern=NETWORK, longest=255, required=True, only=of_network),
    choice("model", "model/@type", ("virtio", "e1000e", "e1000", "rtl8139", "igb", "vmxnet3"), required=True),
    choice("link", "link/@state", ("", "up", "down"), live="device"),
    rate("inbound", "inbound"),
    rate("outbound", "outbound"),
)  # fmt: skip


def write_listen(graphics: etree._Element, value: Value) -> None:
    set_listen(Graphics(graphics), LISTENS[str(value)])


def read_cid(vsock: etree._Element) -> Value:
    """None: the host chooses."""
    return None if find(vsock, "cid/@auto") == "yes" else whole(find(vsock, "cid/@address"))


def write_cid(vsock: etree._Element, value: Value) -> None:
    put(vsock, "cid/@auto", "yes" if value is None else "no")
    put(vsock, "cid/@address", None if value is None else str(value))


GRAPHICS: Final = (
    Lens(
        "listens",
        "choice",
        lambda graphics: Graphics(graphics).listens,
        write_listen,
        choices=tuple(LISTENS),
        required=True,
        loses=True,
        only=lambda graphics: graphics.get("type") in ("vnc", "spice"),
    ),
    choice("keymap", "@keymap", KEYMAPS),
    # RFC 6143 has no longer one, and neither has QEMU's SPICE.
    password(longest=8, only=lambda graphics: graphics.get("type") == "vnc"),
    password(longest=60, only=lambda graphics: graphics.get("type") == "spice"),
)
DRAWING: Final = "graphics[@type='egl-headless']"
VIDEO: Final = (
    Lens("model", "choice", reader("model/@type"), write_video,
         choices=("virtio", "vga", "qxl", "bochs", "cirrus", "none"), loses=True, required=True),
    Lens("three_d", "flag", read_3d, write_3d, loses=True, privilege=DEFINE,
         only=lambda video: find(video, "model/@type") == "virtio"),
)  # fmt: skip
SOUND: Final = (model("model", ("ich9", "ich6", "ac97", "es1370", "sb16", "usb")),)
CHANNEL: Final = (
    Lens("clipboard", "choice", reader("source/clipboard/@copypaste"), set_clipboard, choices=("yes", "no"),
         only=lambda channel: channel.get("type") == "qemu-vdagent"),
)  # fmt: skip
TPM: Final = (
    choice("model", "@model", ("tpm-crb", "tpm-tis", "tpm-spapr"), required=True),
    choice("version", "backend/@version", ("2.0", "1.2"), required=True),
)
VSOCK: Final = (
    Lens("cid", "number", read_cid, write_cid, least=LEAST_CID, most=MOST_CID, loses=True, privilege=DEFINE),
)  # fmt: skip
RNG: Final = (
    Lens("bytes", "number", number("bytes", "rate/@bytes").read, write_entropy, least=1, most=1 << 31, loses=True),
)
WATCHDOG: Final = (
    choice("action", "@action", ("reset", "shutdown", "poweroff", "pause", "none", "inject-nmi")),
    model("model", ("i6300esb", "ib700", "itco", "diag288")),
)
PANIC: Final = (model("model", ("isa", "hyperv", "pvpanic", "pseries", "s390")),)
BALLOON: Final = (
    number("period", "stats/@period", live="period", least=1, most=3600),
    choice("autodeflate", "@autodeflate", ("", "on", "off")),
    choice("reporting", "@freePageReporting", ("", "on", "off")),
    model("model", ("virtio", "virtio-transitional", "virtio-non-transitional", "none")),
)
CONTROLLERS: Final = {
    "usb": (model("model", ("qemu-xhci", "nec-xhci", "ich9-ehci1", "piix3-uhci", "none")),),
    "scsi": (model("model", ("virtio-scsi", "lsilogic", "lsisas1068")),),
}
