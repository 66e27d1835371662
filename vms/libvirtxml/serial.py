"""Giving a VM a serial console that can be opened from here."""

from __future__ import annotations

from lxml.builder import E

from vms.libvirtxml.domain import DomainXML


def add_serial(domain: DomainXML) -> bool:
    """Add a serial device behind those that are there; libvirt chooses what fits the machine.

    Whether anything was added: False when there is one that a console can be opened on.
    """
    if domain.serials:
        return False
    devices = domain.devices
    there = devices.findall("serial")
    serial = E.serial(type="pty")
    if there:
        there[-1].addnext(serial)
    else:
        devices.append(serial)
    return True
