"""What the machine itself is: its name tags, processors, memory, and what it starts from."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from lxml import etree

from vms.libvirtxml.boot import in_order
from vms.libvirtxml.domain import DomainXML
from vms.libvirtxml.lenses import find
from vms.libvirtxml.shaping.buses import write_bus
from vms.libvirtxml.shaping.keys import keyed
from vms.libvirtxml.shaping.lens import (
    DEFINE,
    TUNE,
    BadValue,
    Lens,
    Value,
    choice,
    flag,
    kib,
    number,
    put_kib,
    text,
    whole,
)
from vms.libvirtxml.shaping.sharing import share_memory
from vms.libvirtxml.shaping.system import OS
from vms.libvirtxml.shaping.tree import make, prune, put, remove

MOST_CPUS: Final = 4096
LEAST_KIB: Final = 1024
TOPOLOGY: Final = re.compile(r"[1-9][0-9]{0,3}(x[1-9][0-9]{0,3}){2,3}")
CPUSET: Final = re.compile(r"[0-9][0-9,^-]{0,199}")
# QEMU does no more where a guest ends by itself.
ENDS: Final = ("destroy", "restart")
QEMU: Final = ("qemu", "kvm")
CUSTOM: Final = "custom"
CPU_MODES: Final = ("host-model", "host-passthrough", "maximum")
CPU_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}")
# QEMU itself, the screen's memory and what it remembers for disks come on top of what the guest has.
BESIDE_KIB: Final = 256 * 1024
FIRMWARES: Final = ("bios", "efi", "secure")
MACHINE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")


def read_cpus_max(domain: etree._Element) -> Value:
    return whole((find(domain, "vcpu") or "1").strip())


def read_cpus(domain: etree._Element) -> Value:
    return whole(find(domain, "vcpu/@current")) or read_cpus_max(domain)


def write_cpus_max(domain: etree._Element, value: Value) -> None:
    now = read_cpus(domain)
    put(domain, "vcpu", str(value))
    write_cpus(domain, min(int(now or 1), int(value or 1)))


def write_cpus(domain: etree._Element, value: Value) -> None:
    put(domain, "vcpu/@current", None if value == read_cpus_max(domain) else str(value))


def read_memory_max(domain: etree._Element) -> Value:
    return kib(domain, "memory")


def read_memory(domain: etree._Element) -> Value:
    return kib(domain, "currentMemory") or kib(domain, "memory")


def write_memory_max(domain: etree._Element, value: Value) -> None:
    now, most = int(read_memory(domain) or 0), int(value or 0)
    put_kib(domain, "memory", most)
    write_memory(domain, min(now, most))


def write_memory(domain: etree._Element, value: Value) -> None:
    if domain.find("currentMemory") is not None or value != read_memory_max(domain):
        put_kib(domain, "currentMemory", int(value or 0))


def write_limit(domain: etree._Element, value: Value) -> None:
    if value is None:
        put(domain, "memtune/hard_limit", None)
    else:
        put_kib(domain, "memtune/hard_limit", int(value))


def read_shared(domain: etree._Element) -> Value:
    return find(domain, "memoryBacking/access/@mode") == "shared"


def write_shared(domain: etree._Element, value: Value) -> None:
    """Raises BadValue where a folder needs it."""
    if value:
        share_memory(domain)
        return
    if domain.find("devices/filesystem/driver[@type='virtiofs']") is not None:
        raise BadValue("shared", "folder")
    put(domain, "memoryBacking/access", None)
    source = domain.find("memoryBacking/source")
    if source is not None and source.get("type") == "memfd":
        put(domain, "memoryBacking/source", None)


def read_topology(domain: etree._Element) -> Value:
    """ "sockets x dies x cores x threads" without blanks, without dies where there is one."""
    told = domain.find("cpu/topology")
    if told is None:
        return ""
    names = ["sockets", *(["dies"] if told.get("dies", "1") != "1" else []), "cores", "threads"]
    return "x".join(told.get(name, "1") for name in names)


def write_topology(domain: etree._Element, value: Value) -> None:
    if not value:
        put(domain, "cpu/topology", None)
        return
    names = ["sockets", "dies", "cores", "threads"]
    parts = str(value).split("x")
    if len(parts) == 3:
        parts.insert(1, "1")
    for name, part in zip(names, parts, strict=True):
        if name != "dies" or part != "1" or find(domain, "cpu/topology/@dies"):
            put(domain, f"cpu/topology/@{name}", part)


def read_cpu_mode(domain: etree._Element) -> Value:
    """How it follows the host's, or the name of a model."""
    mode = find(domain, "cpu/@mode") or ""
    return ((find(domain, "cpu/model") or "").strip() or mode) if mode == CUSTOM else mode


def write_cpu_mode(domain: etree._Element, value: Value) -> None:
    """What the old mode says of the processor goes. A named model is had whole, or the VM does not start."""
    there = domain.find("cpu")
    if there is not None:
        for name in ("model", "vendor", "feature"):
            for element in there.findall(name):
                remove(element)
        for name in ("match", "check", "migratable"):
            there.attrib.pop(name, "")
    if not value or value in CPU_MODES:
        put(domain, "cpu/@mode", str(value) if value else None)
        return
    for name, said in (("mode", CUSTOM), ("match", "exact"), ("check", "partial")):
        put(domain, f"cpu/@{name}", said)
    put(domain, "cpu/model", str(value))
    put(domain, "cpu/model/@fallback", "forbid")


def read_order(domain: etree._Element) -> Value:
    """The names of the devices that it starts from, in their order."""
    names = {element: key for key, element in keyed(domain)}
    return " ".join(names[element] for element in in_order(DomainXML(domain)) if element in names)


def write_order(domain: etree._Element, value: Value) -> None:
    """Raises BadValue where it has no such device, or one that nothing starts from."""
    there = dict(keyed(domain))
    wanted = [there.get(key) for key in str(value).split()]
    if len(set(wanted)) < len(wanted):
        raise BadValue("boot_order", "twice")
    if any(element is None or element.tag not in BOOTABLE for element in wanted):
        raise BadValue("boot_order", "device")
    for boot in [*domain.findall("os/boot"), *domain.findall("devices/*/boot")]:
        parent = boot.getparent()
        remove(boot)
        if parent is not None:
            prune(parent, parent)
    for place, element in enumerate(wanted, start=1):
        if element is not None:
            make(element, "boot").set("order", str(place))


def write_menu(domain: etree._Element, value: Value) -> None:
    """How long it waits means nothing without it."""
    put(domain, "os/bootmenu/@enable" if value else "os/bootmenu", str(value) if value else None)


def write_timeout(domain: etree._Element, value: Value) -> None:
    """In milliseconds; a menu that is waited for is there."""
    put(domain, "os/bootmenu/@timeout", None if value is None else str(value))
    if value is not None and not find(domain, "os/bootmenu/@enable"):
        put(domain, "os/bootmenu/@enable", "yes")


def read_firmware(domain: etree._Element) -> Value:
    """ "bios", "efi", "secure": UEFI that starts what is signed alone."""
    told = {find(each, "@name"): find(each, "@enabled") for each in domain.iterfind("os/firmware/feature")}
    named = domain.find("os/loader")
    if find(domain, "os/@firmware") != "efi" and (named is None or named.get("type") != "pflash"):
        return "bios"
    is_secure = told.get("secure-boot") == "yes" or (named is not None and named.get("secure") == "yes")
    return "secure" if is_secure else "efi"


def write_firmware(domain: etree._Element, value: Value) -> None:
    """The host chooses the files by what is asked of it, as for a new VM; what was named before goes."""
    for path in ("os/loader", "os/nvram", "os/firmware", "os/@firmware"):
        put(domain, path, None)
    if value == "bios":
        return
    put(domain, "os/@firmware", "efi")
    if domain.find("features/acpi") is None:
        put(domain, "features/acpi", "")
    if value == "secure":
        system = domain.find("os")
        features = make(system, "firmware") if system is not None else etree.Element("firmware")
        for name in ("secure-boot", "enrolled-keys"):
            etree.SubElement(features, "feature", enabled="yes", name=name)
        # Without it the guest could write to the keys.
        put(domain, "features/smm/@state", "on")


def chipset(machine: str) -> str:
    """ "q35", "pc", or what else the name begins with."""
    name = machine.removeprefix("pc-") if machine.startswith(("pc-q35", "pc-i440fx")) else machine
    family = name.split("-")[0]
    return "pc" if family == "i440fx" else family


def write_machine(domain: etree._Element, value: Value) -> None:
    """Of another chipset the buses are others: what sits on them gets new places, and IDE becomes SATA on Q35, which
    has none."""
    before = chipset(find(domain, "os/type/@machine") or "")
    put(domain, "os/type/@machine", str(value))
    if chipset(str(value)) == before:
        return
    for controller in domain.findall("devices/controller"):
        if controller.get("type") in ("pci", "ide", "sata", "usb"):
            remove(controller)
    for address in domain.findall("devices/*/address[@type='pci']"):
        remove(address)
    if chipset(str(value)) == "q35":
        for disk in domain.findall("devices/disk"):
            if find(disk, "target/@bus") == "ide":
                write_bus(disk, "sata")


LIMITED: Final = frozenset({"memory", "memory_max", "memory_limit"})
BOOTABLE: Final = ("disk", "interface", "hostdev", "redirdev")

OVERVIEW: Final = (
    text("title", "title", longest=255, live="metadata"),
    text("description", "description", longest=8192, form="lines", live="metadata"),
    OS,
    Lens("firmware", "choice", read_firmware, write_firmware, choices=FIRMWARES, loses=True, required=True),
    Lens(
        "machine",
        "offered",
        lambda domain: find(domain, "os/type/@machine") or "",
        write_machine,
        pattern=MACHINE,
        longest=60,
        loses=True,
        required=True,
    ),
    choice("on_poweroff", "on_poweroff", ENDS, live="lifecycle"),
    choice("on_reboot", "on_reboot", ENDS, live="lifecycle"),
    choice("on_crash", "on_crash", (*ENDS, "preserve"), live="lifecycle"),
)
CPU: Final = (
    Lens("cpus_max", "number", read_cpus_max, write_cpus_max, least=1, most=MOST_CPUS, required=True),
    Lens("cpus", "number", read_cpus, write_cpus, live="cpus", least=1, most=MOST_CPUS, required=True),
    Lens("topology", "text", read_topology, write_topology, pattern=TOPOLOGY, longest=40),
    Lens(
        "cpu_mode", "offered", read_cpu_mode, write_cpu_mode, required=True, pattern=CPU_MODEL, longest=60, loses=True,
    ),
    number("cpu_shares", "cputune/shares", least=2, most=262144, privilege=TUNE),
    text("cpuset", "vcpu/@cpuset", longest=200, pattern=CPUSET, privilege=TUNE),
)  # fmt: skip
MEMORY: Final = (
    Lens("memory_max", "size", read_memory_max, write_memory_max, least=LEAST_KIB, required=True),
    Lens("memory", "size", read_memory, write_memory, live="memory", least=LEAST_KIB, required=True),
    flag("hugepages", "memoryBacking/hugepages", privilege=TUNE),
    flag("locked", "memoryBacking/locked", privilege=TUNE),
    Lens(
        "memory_limit",
        "size",
        lambda domain: kib(domain, "memtune/hard_limit"),
        write_limit,
        least=LEAST_KIB,
        privilege=TUNE,
    ),
    Lens("shared", "flag", read_shared, write_shared, loses=True, privilege=DEFINE),
)
BOOT: Final = (
    Lens("boot_order", "order", read_order, write_order, longest=1000, loses=True),
    Lens(
        "boot_menu",
        "choice",
        lambda domain: find(domain, "os/bootmenu/@enable") or "",
        write_menu,
        choices=("", "yes", "no"),
        loses=True,
    ),
    Lens(
        "boot_timeout",
        "number",
        lambda domain: whole(find(domain, "os/bootmenu/@timeout")),
        write_timeout,
        most=65535,
        loses=True,
    ),
)


def check(domain: etree._Element, changed: Collection[str]) -> None:
    """What no lens sees by itself. changed: the names of lenses; what somebody else wrote is no fault of theirs. Raises
    BadValue."""
    cpus, most = int(read_cpus(domain) or 1), int(read_cpus_max(domain) or 1)
    if cpus > most:
        raise BadValue("cpus", "over")
    if int(read_memory(domain) or 0) > int(read_memory_max(domain) or 0):
        raise BadValue("memory", "over")
    limit = kib(domain, "memtune/hard_limit")
    if limit is not None and not LIMITED.isdisjoint(changed) and limit < int(read_memory_max(domain) or 0) + BESIDE_KIB:
        raise BadValue("memory_limit", "limit")
    topology, product = str(read_topology(domain)), 1
    for part in topology.split("x") if topology else ():
        product *= whole(part) or 1
    if topology and product != most:
        raise BadValue("topology", "product")
    # QEMU does not tell one from the other.
    if domain.get("type") in QEMU and (find(domain, "on_poweroff"), find(domain, "on_reboot")) == (
        "restart",
        "destroy",
    ):
        raise BadValue("on_poweroff", "ends")
