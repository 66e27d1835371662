"""The definitions of the demo's VMs and volumes, and the mark by which they are known again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml.builder import E, ElementMaker

from vms.libvirtxml import parse, serialize

NAMESPACE: Final = "urn:kvmweb:demo:1"
MARK: Final = ElementMaker(namespace=NAMESPACE, nsmap={"kvmweb": NAMESPACE})


@dataclass(frozen=True)
class Role:
    """One of the demo's VMs. state: what it is brought to once, when it is made."""

    name: str
    state: str
    title: str
    description: str


@dataclass(frozen=True)
class Fittings:
    """What a VM's definition takes from its host; network is "" for none."""

    domain_type: str
    iso: str
    disk: str
    network: str


def domain_document(role: Role, uuid: str, name: str, fittings: Fittings) -> str:
    """A VM that boots the demo guest from its CD."""
    devices = E.devices(
        E.controller(type="usb", model="none"),
        E.disk(
            E.driver(name="qemu", type="raw"), E.source(file=fittings.iso), E.target(dev="sda", bus="sata"),
            E.readonly(), E.boot(order="1"), type="file", device="cdrom",
        ),
        E.disk(
            E.driver(name="qemu", type="qcow2"), E.source(file=fittings.disk), E.target(dev="vda", bus="virtio"),
            type="file", device="disk",
        ),
        E.serial(type="pty"),
        E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"),
        E.input(type="tablet", bus="virtio"),
        E.graphics(E.listen(type="none"), type="vnc"),
        E.video(E.model(type="vga")),
        E.memballoon(E.stats(period="5"), model="virtio"),
    )  # fmt: skip
    if fittings.network:
        devices.append(E.interface(E.source(network=fittings.network), E.model(type="virtio"), type="network"))
    return serialize(
        E.domain(
            E.name(name),
            E.uuid(uuid),
            E.title(role.title),
            E.description(role.description),
            E.metadata(MARK.demo(role=role.name, uuid=uuid)),
            E.memory("192", unit="MiB"),
            E.vcpu("1"),
            E.sysinfo(
                E.system(E.entry("kvmweb demo guest", name="product"), E.entry(name, name="serial")), type="smbios"
            ),
            E.os(E.type("hvm", arch="x86_64", machine="q35"), E.smbios(mode="sysinfo")),
            E.features(E.acpi(), E.apic()),
            devices,
            type=fittings.domain_type,
        )
    )


def role_of(document: str) -> str:
    """Which of the demo's VMs this is, "" for anybody else's; a copy has another UUID and is its owner's."""
    root = parse(document)
    mark = root.find(f"metadata/{{{NAMESPACE}}}demo")
    if mark is None or mark.get("uuid") != root.findtext("uuid"):
        return ""
    return mark.get("role", "")


def volume_document(name: str, form: str, size: int) -> str:
    """A volume of that many bytes that takes room as it fills."""
    return serialize(
        E.volume(
            E.name(name),
            E.capacity(str(size), unit="bytes"),
            E.allocation("0", unit="bytes"),
            E.target(E.format(type=form)),
        )
    )
