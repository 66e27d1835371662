"""Machine, firmware, processor and clock."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree
from lxml.builder import E, ElementMaker

from vms.libvirtxml.compose.wanted import Guest, Machine, Wanted

NAMESPACE: Final = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
# Of a system, as libosinfo writes it; nobody reads what is there.
ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.-]{1,60}(/[A-Za-z0-9._+-]{1,60}){1,4}")
OSINFO: Final = ElementMaker(namespace=NAMESPACE, nsmap={"libosinfo": NAMESPACE})


def metadata(guest: Guest) -> list[etree._Element]:
    """What it installs, as virt-manager and others write and read it."""
    return [E.metadata(OSINFO.libosinfo(OSINFO.os(id=guest.id)))] if guest.id else []


def boot(wanted: Wanted, machine: Machine) -> etree._Element:
    """Which files the firmware is, the host chooses by what is asked of it."""
    system: etree._Element = E.os(E.type("hvm", arch=machine.arch, machine=machine.machine))
    if wanted.firmware != "bios":
        system.set("firmware", "efi")
    if wanted.firmware == "secure":
        system.append(
            E.firmware(E.feature(enabled="yes", name="secure-boot"), E.feature(enabled="yes", name="enrolled-keys"))
        )
    system.extend(E.boot(dev=device) for device in wanted.boot)
    return system


def features(wanted: Wanted, machine: Machine) -> etree._Element:
    """Secure boot is safe from the guest's own kernel only with SMM; an emulated processor is no Hyper-V."""
    found: etree._Element = E.features(E.acpi())
    if machine.is_pc:
        found.append(E.apic())
    if wanted.firmware == "secure" and machine.is_pc:
        found.append(E.smm(state="on"))
    if wanted.guest.hyperv and machine.kvm:
        found.append(E.hyperv(E.relaxed(state="on"), E.vapic(state="on"), E.spinlocks(state="on", retries="8191")))
    return found


def cpu(machine: Machine) -> etree._Element:
    """All that the host's processor can, or all that can be emulated: systems of today do not start on the least."""
    found: etree._Element = E.cpu(mode="host-passthrough" if machine.kvm else "maximum")
    return found


def clock(wanted: Wanted, machine: Machine) -> etree._Element:
    found: etree._Element = E.clock(offset="localtime" if wanted.guest.local_time else "utc")
    if machine.is_pc:
        found.extend(
            [
                E.timer(name="rtc", tickpolicy="catchup"),
                E.timer(name="pit", tickpolicy="delay"),
                E.timer(name="hpet", present="no"),
            ]
        )
    if wanted.guest.hyperv and machine.kvm:
        found.append(E.timer(name="hypervclock", present="yes"))
    return found


def power(machine: Machine) -> list[etree._Element]:
    """A VM that sleeps wakes up for nobody."""
    if not machine.is_pc:
        return []
    return [E.pm(E("suspend-to-mem", enabled="no"), E("suspend-to-disk", enabled="no"))]
