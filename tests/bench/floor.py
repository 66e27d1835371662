"""What libvirt itself needs, without anything of ours around it."""

from __future__ import annotations

import time

import libvirt

# Seconds: WebVirtCloud's list of 1,303 VMs, and what list_and_stats() took on the machine at that time.
WEBVIRTCLOUD = 3.437
FLOOR_THEN = 0.0524


def list_and_stats(connection: libvirt.virConnect) -> float:
    """Seconds for the list of all domains and their bulk statistics."""
    began = time.perf_counter()
    connection.listAllDomains(0)
    connection.getAllDomainStats(0, 0)
    return time.perf_counter() - began


def goal_of_list(floor: float) -> float:
    """The seconds that a page of the list may take: a hundredth of WebVirtCloud's, had it run in these minutes, in
    which list_and_stats() takes that long. The machine is half as quick in some hours as in others."""
    return WEBVIRTCLOUD / 100 * floor / FLOOR_THEN


def lists_stats_and_documents(connection: libvirt.virConnect) -> float:
    """Seconds for all that a resync could want: five lists, statistics, both documents of every domain."""
    began = time.perf_counter()
    domains = connection.listAllDomains(0)
    for flag in ("PERSISTENT", "AUTOSTART", "MANAGEDSAVE", "HAS_SNAPSHOT", "HAS_CHECKPOINT"):
        connection.listAllDomains(getattr(libvirt, f"VIR_CONNECT_LIST_DOMAINS_{flag}"))
    connection.getAllDomainStats(0, 0)
    for domain in domains:
        domain.XMLDesc(0)
        domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    return time.perf_counter() - began
