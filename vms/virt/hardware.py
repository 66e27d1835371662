"""Reading what a host is made of. Nothing of it must be told: each part that a driver lacks is left out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import libvirt
from lxml import etree
from lxml.builder import E

from vms.libvirtxml import parse
from vms.virt import cpus
from vms.virt.facts import expanded_of
from vms.virt.machine import Cell, HostHardware, HostNumbers, Pages, SecurityModel, Socket
from vms.virt.optional import optional

# Those by which people choose a host or wonder about one.
FEATURES: Final = (
    "vmx", "svm", "ept", "npt", "aes", "avx", "avx2", "avx512f", "pdpe1gb", "x2apic", "rdrand", "rdseed", "sha-ni",
    "pcid", "invtsc", "hypervisor",
)  # fmt: skip
VIRTUALIZATION: Final = frozenset({"vmx", "svm"})
# libvirt keeps what it found and answers at once. Where it takes this long it looks anew at each question, as it does
# while /dev/kvm is there and QEMU's user may not open it.
SLOW: Final = 2.0
ORDINARY_PAGE: Final = 4
# libvirt tells firmware by machine type. Where none is named it takes another than most VMs have, and only this one has
# secure boot.
OTHER_MACHINE: Final = {"x86_64": "q35"}
MOST: Final = 256
LONGEST: Final = 255


def read(handle: Any) -> HostHardware:
    """All of it, read now."""
    capabilities = parse(handle.getCapabilities())
    arch = capabilities.findtext("host/cpu/arch") or ""
    kind = str(handle.getType())
    # What was found a moment ago is known still, unless it is looked for anew each time.
    began = time.monotonic()
    kvm = domain_capabilities(handle, arch, "kvm") if kind == "QEMU" else None
    slow = time.monotonic() - began > SLOW
    plain = domain_capabilities(handle, arch, "qemu") if kind == "QEMU" else None
    best = kvm if kvm is not None else plain
    told = [best] if best is not None else []
    if best is not None and arch in OTHER_MACHINE:
        other = domain_capabilities(handle, arch, best.findtext("domain") or "", OTHER_MACHINE[arch])
        told += [other] if other is not None else []
    system = optional(lambda: parse(handle.nodeDeviceLookupByName("computer").XMLDesc()), None)
    return replace(
        described(capabilities, told, system),
        features=features(handle, capabilities),
        kvm=kvm is not None if kind == "QEMU" else None,
        nested=nested(handle, kvm),
        cgroups=cgroups(handle) if kind == "QEMU" else None,
        three_d=draws(best) and has_render_node(handle),
        slow=slow,
        guest_cpu=cpus.best(handle, best) if best is not None else None,
    )


def described(
    capabilities: etree._Element, domains: Sequence[etree._Element], system: etree._Element | None
) -> HostHardware:
    """What the documents say: of the host, of what VMs can have for each machine type that was asked for, of the
    machine as its firmware names it."""
    machines, most, default = machine_types(capabilities, capabilities.findtext("host/cpu/arch") or "")
    return HostHardware(
        vendor=text(system, "capability/hardware/vendor"),
        product=text(system, "capability/product"),
        firmware_version=text(system, "capability/firmware/version"),
        cpu_vendor=text(capabilities, "host/cpu/vendor"),
        cpu_named=text(capabilities, "host/cpu/model"),
        features=listed_features(named_features(capabilities)),
        cells=cells(capabilities),
        machines=machines,
        default_machine=default,
        emulator=text(domains[0], "path") if domains else "",
        firmwares=firmwares(domains),
        secure_boot=secure_boot(domains),
        kvm=None,
        nested=None,
        iommu={"yes": True, "no": False}.get(attribute(capabilities, "host/iommu", "support")),
        cgroups=None,
        security=security(capabilities),
        qemu_user=security_label(capabilities, "dac"),
        slow=False,
        tpm=tpm(domains[0] if domains else None),
        cpu_models=cpu_models(domains[0] if domains else None),
        most_vcpus=most,
    )


def text(root: etree._Element | None, path: str) -> str:
    """Its text in one line, "" where it is not there."""
    found = root.findtext(path) if root is not None else None
    return " ".join((found or "").split())[:LONGEST]


def attribute(root: etree._Element | None, path: str, name: str) -> str:
    found = root.find(path) if root is not None else None
    return str(found.get(name) or "")[:LONGEST] if found is not None else ""


def number(value: str | None) -> int:
    """A number that a host wrote, 0 for anything else."""
    told = (value or "").strip()
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else 0


def domain_capabilities(handle: Any, arch: str, kind: str, machine: str | None = None) -> etree._Element | None:
    """What VMs of that type can have; None where the host has none of them."""
    told = optional(lambda: parse(handle.getDomainCapabilities(None, arch or None, machine, kind, 0)), None)
    return told if told is not None and told.findtext("domain") == kind else None


def features(handle: Any, capabilities: etree._Element) -> tuple[str, ...]:
    """Those of the processor that are on our list, in its order."""
    found = named_features(capabilities)
    cpu = capabilities.find("host/cpu")
    if cpu is not None and cpu.find("model") is not None:
        found |= optional(lambda: expanded_of(handle, cpu), set())
    return listed_features(found)


def named_features(capabilities: etree._Element) -> set[str]:
    return {str(feature.get("name")) for feature in capabilities.iterfind("host/cpu/feature")}


def listed_features(found: set[str]) -> tuple[str, ...]:
    return tuple(name for name in FEATURES if name in found)


def cells(capabilities: etree._Element) -> tuple[Cell, ...]:
    return tuple(cell(element) for element in capabilities.findall("host/topology/cells/cell")[:MOST])


def cell(element: etree._Element) -> Cell:
    cpus = element.findall("cpus/cpu")[:4096]
    return Cell(
        id=number(element.get("id")),
        memory_kib=number(element.findtext("memory")),
        cpus=tuple(number(cpu.get("id")) for cpu in cpus),
        sockets=sockets(cpus),
        pages=tuple(
            Pages(size, number(pages.text))
            for pages in element.findall("pages")[:8]
            if (size := number(pages.get("size"))) > ORDINARY_PAGE
        ),
    )


def sockets(cpus: list[etree._Element]) -> tuple[Socket, ...]:
    """How they sit together. One that is switched off has no place; what older libvirts call no siblings has a core's
    number."""
    found: dict[int, dict[tuple[str, ...], list[int]]] = {}
    for cpu in cpus:
        if cpu.get("socket_id") is None:
            continue
        core = (str(cpu.get("siblings") or ""), str(cpu.get("die_id") or ""), str(cpu.get("core_id") or ""))
        found.setdefault(number(cpu.get("socket_id")), {}).setdefault(core, []).append(number(cpu.get("id")))
    return tuple(
        Socket(which, tuple(sorted(tuple(sorted(core)) for core in cores.values())))
        for which, cores in sorted(found.items())
    )


def machine_types(capabilities: etree._Element, arch: str) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    """(the machine types of its own architecture, beside each how many processors it takes, which one a VM gets that
    names none)."""
    for guest in capabilities.iterfind("guest"):
        element = guest.find("arch")
        if element is None or element.get("name") != arch:
            continue
        told = element.findall("machine")[:MOST]
        most = {(machine.text or "")[:LONGEST]: number(machine.get("maxCpus")) for machine in reversed(told)}
        names = tuple(dict.fromkeys((machine.text or "")[:LONGEST] for machine in told))
        aliases = {str(machine.get("canonical")): machine.text or "" for machine in told if machine.get("canonical")}
        default = aliases.get("pc") or next((name for name in names if name in aliases.values()), "")
        return names, tuple(most[name] for name in names), default or (names[0] if names else "")
    return (), (), ""


def firmwares(domains: Sequence[etree._Element]) -> tuple[str, ...] | None:
    """What VMs can start by with any of the machine types: "bios", "efi"; None where none is told, as before libvirt
    5.2."""
    told = [enum for each in domains for enum in each.findall("os/enum[@name='firmware']")]
    values = [(value.text or "")[:LONGEST] for enum in told for value in enum.findall("value")[:8]]
    return tuple(sorted(set(values))) if told else None


def secure_boot(domains: Sequence[etree._Element]) -> bool | None:
    """Whether any of the machine types has it."""
    values = [value for each in domains for value in each.findall("os/loader/enum[@name='secure']/value")]
    return any(value.text == "yes" for value in values) if values else None


def tpm(told: etree._Element | None) -> bool | None:
    """Whether it finds swtpm; None from a libvirt that does not tell."""
    element = told.find("devices/tpm") if told is not None else None
    if element is None:
        return None
    return "emulator" in [value.text for value in element.iterfind("enum[@name='backendModel']/value")]


def cpu_models(told: etree._Element | None) -> tuple[str, ...]:
    """The processors by name that a VM can have there, by the alphabet."""
    found = told.findall("cpu/mode[@name='custom']/model[@usable='yes']") if told is not None else []
    return tuple(sorted({(model.text or "").strip()[:LONGEST] for model in found[:MOST]} - {""}))


def draws(told: etree._Element | None) -> bool:
    """Whether QEMU has what draws in 3D for a guest without a window on its host."""
    if told is None:
        return False
    displays = told.findall("devices/graphics/enum[@name='type']/value")
    cards = told.findall("devices/video/enum[@name='modelType']/value")
    return "egl-headless" in [one.text for one in displays] and "virtio" in [one.text for one in cards]


def has_render_node(handle: Any) -> bool:
    """Whether there is a graphics card that draws for programs."""
    found: list[Any] = optional(lambda: handle.listAllDevices(libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_DRM), [])
    return any(is_render_node(optional(partial(described_by, device), None)) for device in found[:MOST])


def described_by(device: Any) -> etree._Element:
    return parse(device.XMLDesc())


def is_render_node(document: etree._Element | None) -> bool:
    return text(document, "capability[@type='drm']/type") == "render"


def nested(handle: Any, kvm: etree._Element | None) -> bool | None:
    """Whether the processor that KVM would give a VM has the flag; None where that is not to be learned."""
    mode = kvm.find("cpu/mode[@name='host-model']") if kvm is not None else None
    if mode is None or mode.get("supported") != "yes":
        return None
    told = {str(feature.get("name")): str(feature.get("policy")) for feature in mode.iterfind("feature")}
    for name in sorted(VIRTUALIZATION & told.keys()):
        return told[name] == "require"
    arch = kvm.findtext("arch") if kvm is not None else ""
    model = mode.findtext("model") or ""
    document = E.cpu(E.arch(arch or ""), E.model(model), *(E.feature(name=name) for name in sorted(told)))
    full: set[str] = optional(lambda: expanded_of(handle, document), set())
    return bool(full & VIRTUALIZATION) if full else None


def cgroups(handle: Any) -> tuple[str, ...] | None:
    """The controllers that the first running VM is under, as its answers show; None while none runs."""
    running: list[Any] = optional(lambda: handle.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING), [])
    if not running:
        return None
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    asks = {
        "cpu": lambda: running[0].schedulerParametersFlags(live),
        "memory": lambda: running[0].memoryParameters(live),
        "blkio": lambda: running[0].blkioParameters(live),
    }
    return tuple(name for name, ask in asks.items() if optional(ask, None) is not None)


def security(capabilities: etree._Element) -> tuple[SecurityModel, ...]:
    models = [text(element, "model") for element in capabilities.findall("host/secmodel")[:8]]
    return tuple(SecurityModel(model, security_label(capabilities, model)) for model in models if model)


def security_label(capabilities: etree._Element, model: str) -> str:
    """What the driver labels a VM's process with, of dac "+64055:+108"; "" where it is not told."""
    for element in capabilities.iterfind("host/secmodel"):
        if text(element, "model") == model:
            labels = {str(label.get("type")): (label.text or "").strip() for label in element.iterfind("baselabel")}
            return (labels.get("kvm") or labels.get("qemu") or "")[:LONGEST]
    return ""


def numbers(handle: Any, sizes: dict[int, tuple[int, ...]]) -> HostNumbers | None:
    """The host's counters, None where its driver has none. sizes: of each cell the huge pages that it keeps, if any."""
    cpu: dict[str, int] = optional(lambda: handle.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS), {})
    memory: dict[str, int] = optional(lambda: handle.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS), {})
    if not cpu and not memory:
        return None
    times = {name: value for name, value in cpu.items() if name in ("kernel", "user", "idle", "iowait", "intr")}
    free: dict[int, dict[int, int]] = {}
    free_kib: dict[int, int] = {}
    for cell_id, kept in sizes.items():
        if kept:
            told: dict[int, dict[int, int]] = optional(partial(handle.getFreePages, list(kept), cell_id, 1), {})
            free[cell_id] = {int(size): int(count) for size, count in told.get(cell_id, {}).items()}
        if len(sizes) > 1:
            of_cell: dict[str, int] = optional(partial(handle.getMemoryStats, cell_id), {})
            free_kib |= {cell_id: of_cell["free"]} if "free" in of_cell else {}
    return HostNumbers(
        cpu_ns=sum(times.values()),
        idle_ns=times.get("idle", 0) + times.get("iowait", 0),
        wait_ns=times.get("iowait"),
        memory_kib=memory.get("total", 0),
        # What caches hold is given back when somebody needs it.
        memory_free_kib=memory.get("free", 0) + memory.get("buffers", 0) + memory.get("cached", 0),
        free_pages=free,
        free_kib=free_kib,
    )
