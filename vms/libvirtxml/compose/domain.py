"""The whole document."""

from __future__ import annotations

from lxml.builder import E

from vms.libvirtxml.compose import cards, devices, disks, system
from vms.libvirtxml.compose.wanted import Machine, Wanted
from vms.libvirtxml.domain import DomainXML


def compose(wanted: Wanted, machine: Machine) -> DomainXML:
    """A definition that is valid by libvirt's schema and names nothing of the host but volumes and networks."""
    return DomainXML(
        E.domain(
            E.name(wanted.name),
            E.uuid(wanted.uuid),
            *system.metadata(wanted.guest),
            E.memory(str(wanted.memory_kib), unit="KiB"),
            E.currentMemory(str(wanted.memory_kib), unit="KiB"),
            E.vcpu(str(wanted.vcpus)),
            system.boot(wanted, machine),
            system.features(wanted, machine),
            system.cpu(machine),
            system.clock(wanted, machine),
            *system.power(machine),
            E.devices(
                *disks.drives(wanted, machine),
                *devices.controllers(machine),
                *disks.controllers(wanted, machine),
                *cards.cards(wanted),
                *devices.lines(wanted),
                *devices.inputs(),
                *devices.tpm(wanted, machine),
                *devices.screen(wanted, machine),
                *devices.entropy(wanted),
            ),
            type="kvm" if machine.kvm else "qemu",
        )
    )
