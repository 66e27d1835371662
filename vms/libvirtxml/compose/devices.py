"""Screen, serial line, channels and the rest, as virt-install gives them."""

from __future__ import annotations

from typing import Final

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.compose.disks import bus_of, scsi_controller
from vms.libvirtxml.compose.wanted import Machine, Wanted
from vms.libvirtxml.domain import Graphics
from vms.libvirtxml.screen import set_listen

# Each takes one device that is plugged in while the VM runs; libvirt by itself leaves none free.
ROOT_PORTS: Final = 14


def controllers(wanted: Wanted, machine: Machine) -> list[etree._Element]:
    scsi = [scsi_controller()] if any(bus_of(drive, wanted, machine) == "scsi" for drive in wanted.drives) else []
    if not machine.has_pcie:
        return scsi
    return [
        *scsi,
        E.controller(type="usb", model="qemu-xhci", ports="15"),
        E.controller(type="pci", model="pcie-root"),
        *(E.controller(type="pci", model="pcie-root-port") for _ in range(ROOT_PORTS)),
    ]


def lines(wanted: Wanted) -> list[etree._Element]:
    """A serial line, and the channel of the guest's agent."""
    found = [E.serial(type="pty")]
    if wanted.guest.virtio:
        found.append(E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"))
    return found


def inputs() -> list[etree._Element]:
    """A pointer that knows where it is: without one a screen in a browser is not to be used."""
    return [E.input(type="tablet", bus="usb")]


def tpm(wanted: Wanted, machine: Machine) -> list[etree._Element]:
    model = "tpm-crb" if machine.is_pc else "tpm-tis"
    return [E.tpm(E.backend(type="emulator"), model=model)] if wanted.tpm else []


def screen(wanted: Wanted, machine: Machine) -> list[etree._Element]:
    """UEFI has a driver for bochs, which is VGA without what nobody needs any more."""
    plain = "vga" if wanted.firmware == "bios" else "bochs"
    model = "virtio" if wanted.guest.virtio_video or not machine.is_pc else plain
    graphics = E.graphics(type="vnc")
    set_listen(Graphics(graphics), machine.listen)
    return [graphics, E.video(E.model(type=model))]


def entropy(wanted: Wanted) -> list[etree._Element]:
    if not wanted.guest.virtio:
        return []
    # Without a period QEMU never asks the guest how its memory is used.
    balloon = E.memballoon(E.stats(period="5"), model="virtio")
    return [balloon, E.rng(E.backend("/dev/urandom", model="random"), model="virtio")]
