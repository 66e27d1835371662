"""For each lens by which a running machine is changed a value for its run, and what a guest sees of changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.data.shapes import CARD, OS_THERE, VDA, Trial
from vms.libvirtxml.shaping import Part

# By (part, lens); the machine of tests/data/shapes.py runs, with two processors of three and 112 MiB.
LIVE: Final = (
    Trial("overview", "title", "Of the run", "title", "Of the run"),
    Trial("overview", "description", "of\nthe run", "description", "of\nthe run"),
    Trial("overview", "os", "http://debian.org/debian/12", OS_THERE, "http://debian.org/debian/12"),
    Trial("overview", "on_crash", "preserve", "on_crash", "preserve"),
    # QEMU cannot power off by a reboot and reboot by powering off.
    Trial("overview", "on_reboot", "destroy", "on_reboot", "destroy"),
    Trial("overview", "on_reboot", "restart", "on_reboot", "restart"),
    Trial("overview", "on_poweroff", "restart", "on_poweroff", "restart"),
    Trial("cpu", "cpus", 3, "vcpu[not(@current)]", "3"),
    Trial("memory", "memory", 98304, "currentMemory", "98304"),
    Trial("vda", "bytes_sec", 1 << 20, f"{VDA}/iotune/total_bytes_sec", str(1 << 20)),
    Trial("vda", "iops_sec", 500, f"{VDA}/iotune/total_iops_sec", "500"),
    Trial("sda", "medium", "installer.iso", "devices/disk[target/@dev='sda']/source/@volume", "installer.iso"),
    Trial("net0", "network", "other", f"{CARD}/source/@network", "other"),
    Trial("net0", "link", "down", f"{CARD}/link/@state", "down"),
    Trial("balloon0", "period", 7, "devices/memballoon/stats/@period", "7"),
)
# What must be there so that a trial changes something.
BEFORE: Final = tuple(trial for trial in LIVE if trial.lens == "medium")
# No scheduler for it in the kernel that the lab runs on (docs/unproved.md): written down only. A run that began without
# a password takes none (tests/lab/test_shaping.py).
NOT_WHILE_IT_RUNS: Final = frozenset({("net0", "inbound"), ("net0", "outbound"), ("graphics0", "password")})
# The lab's host offers one firmware and, beside the machine's own family, one in which its ports have no place
# (tests/lab/test_shaping.py changes both ways).
NOT_OFFERED: Final = frozenset({("overview", "firmware"), ("overview", "machine")})
# What rules out others of its part, or keeps the machine from starting on a host such as the lab's: entered after its
# guest was asked.
LATE: Final = frozenset({
    ("cpu", "cpu_shares"), ("memory", "hugepages"), ("memory", "locked"), ("memory", "memory_limit"),
    ("vsock0", "cid"), ("video0", "three_d"), ("vdb", "bus"), ("watchdog0", "model"),
    ("panic0", "model"), ("balloon0", "model"), ("scsi0", "model"), ("net0", "inbound"), ("net0", "outbound"),
})  # fmt: skip


# Fields that take away what a lens gives.
TAKEN: Final = (Trial("graphics0", "no_password", True, "devices/graphics/@passwd", ""),)


@dataclass(frozen=True)
class Adding:
    """What is said of a device that is added, by the fields of its form, and where libvirt has it then."""

    sort: str
    said: Mapping[str, str]
    paths: Mapping[str, str]


DISK_THERE: Final = "devices/disk[source/@volume='third']/target/@bus"
NEW_DISK: Final = "devices/disk[source/@volume[starts-with(., 'shaped')]]/driver/@type"
CARD_THERE: Final = "devices/interface[source/@network='other'][model/@type='e1000']/filterref/@filter"
# Of all other sorts nothing is said.
ADDED: Final = (
    Adding("disk", {"volume": "third", "bus": "sata"}, {DISK_THERE: "sata"}),
    Adding("disk", {"volume": "", "size_gib": "1", "bus": "virtio"}, {NEW_DISK: "qcow2"}),
    Adding("folder", {"offer": "docs"}, {"devices/filesystem/source/@dir": "/srv/docs"}),
    Adding(
        "hostdev",
        {"offer": "stick", "by": "product", "policy": "mandatory"},
        {"devices/hostdev/source/@startupPolicy": "mandatory"},
    ),
    Adding("card", {"network": "other", "model": "e1000"}, {CARD_THERE: "clean-traffic"}),
)


@dataclass(frozen=True)
class Sight:
    """What the guest's shell says to a command, as a pattern, before the changes (of the run, or with the definition
    that it began with) and after them."""

    part: str
    lens: str
    command: str
    before: str
    after: str


# In KiB, about: the kernel keeps some of what it has.
MEMORY: Final = "awk '/MemTotal/{print $2}' /proc/meminfo"
CARDS: Final = "cat /sys/bus/pci/devices/*/device | grep -c -e 0x10d3"
SEEN_LIVE: Final = (
    Sight("cpu", "cpus", "cat /sys/devices/system/cpu/present", "0-1", "0-2"),
    Sight("memory", "memory", MEMORY, r"[789]\d{4}", r"[56]\d{4}"),
    Sight("net0", "link", "cat /sys/class/net/eth0/carrier", "1", "0"),
)
SEEN_BOOTED: Final = (
    Sight("cpu", "cpus_max", "cat /sys/devices/system/cpu/possible", "0-2", "0-3"),
    Sight("vda", "serial", "cat /sys/block/vda/serial", "", r"S-1\.2_3"),
    Sight("vda", "readonly", "cat /sys/block/vda/ro", "0", "1"),
    Sight("net0", "model", CARDS, "0", "1"),
    Sight("balloon0", "reporting", "cat /sys/bus/virtio/drivers/virtio_balloon/virtio*/features | cut -c 6", "0", "1"),
)


def kind(of: Part) -> str:
    """Controllers are told apart by their type."""
    return str(of.element.get("type")) if of.sort == "controller" else of.sort
