"""A domain's document seen through lenses; unknown elements stay as they are."""

from __future__ import annotations

from typing import Final, Self

from lxml import etree

from vms.libvirtxml.document import BadXML, parse, serialize
from vms.libvirtxml.lenses import Int, Kibibytes, Text
from vms.libvirtxml.listening import Where, where

# The channel by which a guest's agent is reached (QEMU's qemu-ga).
AGENT: Final = "org.qemu.guest_agent.0"


class Device:
    """One element below <devices>."""

    def __init__(self, element: etree._Element) -> None:
        self.element = element


class Graphics(Device):
    """A screen. port is -1 or absent while libvirt has not given one."""

    type = Text("@type")
    port = Int("@port")
    tls_port = Int("@tlsPort")
    listen = Text("listen/@type")
    address = Text("listen/@address")
    socket = Text("listen/@socket")
    keymap = Text("@keymap")
    password = Text("@passwd")
    password_until = Text("@passwdValidTo")

    @property
    def text(self) -> str:
        """The element by itself, as libvirt takes a device."""
        return serialize(self.element)

    @property
    def listens(self) -> Where:
        return where(self.listen, self.address)


class Interface(Device):
    """A network card."""

    type = Text("@type")
    mac = Text("mac/@address")
    network = Text("source/@network")
    bridge = Text("source/@bridge")
    device = Text("source/@dev")
    model = Text("model/@type")


class Disk(Device):
    """A disk or drive. alias is the name that a running domain gives it."""

    type = Text("@type")
    kind = Text("@device")
    format = Text("driver/@type")
    target = Text("target/@dev")
    bus = Text("target/@bus")
    file = Text("source/@file")
    block = Text("source/@dev")
    pool = Text("source/@pool")
    volume = Text("source/@volume")
    network = Text("source/@name")
    alias = Text("alias/@name")

    @property
    def source(self) -> str:
        """What it is on, in one text; "" for an empty drive."""
        return self.file or self.block or (f"{self.pool}/{self.volume}" if self.pool else self.network or "")

    @property
    def text(self) -> str:
        """The element by itself, as libvirt takes a device."""
        return serialize(self.element)

    def eject(self) -> None:
        """Leave the drive empty."""
        for name in ("source", "backingStore"):
            for element in self.element.findall(name):
                self.element.remove(element)
        self.type = "file"

    def remove(self) -> None:
        """Take it out of its document."""
        parent = self.element.getparent()
        if parent is not None:
            parent.remove(self.element)


class Serial(Device):
    """A serial or console device. alias is the name that a running domain gives it."""

    type = Text("@type")
    target = Text("target/@type")
    alias = Text("alias/@name")


class DomainXML:
    """The document. parse() and text give back what was there but for what was set in between."""

    type = Text("@type")
    name = Text("name")
    uuid = Text("uuid")
    title = Text("title")
    description = Text("description")
    vcpus = Int("vcpu")
    vcpus_current = Int("vcpu/@current")
    memory_kib = Kibibytes("memory")
    current_memory_kib = Kibibytes("currentMemory")
    os_type = Text("os/type")
    arch = Text("os/type/@arch")
    machine = Text("os/type/@machine")
    firmware = Text("os/@firmware")
    loader = Text("os/loader")
    kernel = Text("os/kernel")
    emulator = Text("devices/emulator")

    def __init__(self, element: etree._Element) -> None:
        self.element = element

    @classmethod
    def parse(cls, text: str) -> Self:
        """The document; BadXML where the text is none or the root is not <domain>."""
        element = parse(text)
        if element.tag != "domain":
            raise BadXML("the root element is not <domain>")
        return cls(element)

    @property
    def text(self) -> str:
        return serialize(self.element)

    @property
    def devices(self) -> etree._Element:
        """The <devices> element, made where it is missing."""
        found = self.element.find("devices")
        return found if found is not None else etree.SubElement(self.element, "devices")

    @property
    def graphics(self) -> list[Graphics]:
        return [Graphics(element) for element in self.element.findall("devices/graphics")]

    @property
    def vnc(self) -> Graphics | None:
        """The first VNC screen, which is the one that the browser shows."""
        return next((screen for screen in self.graphics if screen.type == "vnc"), None)

    @property
    def interfaces(self) -> list[Interface]:
        return [Interface(element) for element in self.element.findall("devices/interface")]

    @property
    def disks(self) -> list[Disk]:
        return [Disk(element) for element in self.element.findall("devices/disk")]

    def drive(self, medium: str) -> Disk | None:
        """The CD drive with that medium in it (Disk.source)."""
        return next((disk for disk in self.disks if disk.kind == "cdrom" and disk.source == medium), None)

    def cd(self, target: str) -> Disk | None:
        """The CD drive of that name ("sda"), with a medium in it or none."""
        return next((disk for disk in self.disks if disk.kind == "cdrom" and disk.target == target), None)

    @property
    def macs(self) -> list[str]:
        return [card.mac.lower() for card in self.interfaces if card.mac]

    @property
    def networks(self) -> list[str]:
        """The libvirt networks that it needs, each once, in order."""
        return list(dict.fromkeys(card.network for card in self.interfaces if card.network))

    @property
    def channels(self) -> list[str]:
        """The names of its channels, such as com.redhat.spice.0 or org.qemu.guest_agent.0."""
        return [
            str(target.get("name")) for target in self.element.findall("devices/channel/target") if target.get("name")
        ]

    @property
    def agent(self) -> str:
        """The channel of its guest's agent: "connected" or "disconnected" in a run, "defined" where nothing is told of
        that, "" for none."""
        for target in self.element.findall("devices/channel/target"):
            if target.get("name") == AGENT:
                state = target.get("state")
                return state if state in ("connected", "disconnected") else "defined"
        return ""

    @property
    def security_labels(self) -> list[str]:
        """What confines QEMU in a run, as "model: label", such as "selinux: system_u:system_r:svirt_t:s0:c1,c2"
        (https://libvirt.org/formatdomain.html#security-label)."""
        found = [(one.get("model"), one.findtext("label")) for one in self.element.findall("seclabel")]
        return [f"{model}: {label}" for model, label in found if model and label]

    @property
    def has_clipboard(self) -> bool:
        """Whether a qemu-vdagent channel carries a VNC screen's clipboard."""
        return any(channel.get("type") == "qemu-vdagent" for channel in self.element.findall("devices/channel"))

    @property
    def has_serial(self) -> bool:
        return any(element.tag in ("serial", "console") for element in self.element.iterfind("devices/*"))

    @property
    def serials(self) -> list[str]:
        """The names of the devices on which a console can be opened, each once: "serial0", "console1".

        A running domain says its names itself; before that they are what libvirt will call them, by their place. The
        first <console> is the first <serial> said again, where there is one.
        """
        found = []
        for tag in ("serial", "console"):
            for index, element in enumerate(self.element.findall(f"devices/{tag}")):
                device = Serial(element)
                again = tag == "console" and index == 0 and device.target == "serial"
                if device.type == "pty":
                    found.append(device.alias or ("serial0" if again else f"{tag}{index}"))
        return list(dict.fromkeys(found))

    @property
    def has_video(self) -> bool:
        return any(model.get("type") != "none" for model in self.element.iterfind("devices/video/model"))
