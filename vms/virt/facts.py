"""Reading what a host is. Optional facts never raise: a machine without SMBIOS is a machine."""

from __future__ import annotations

from typing import Any

import libvirt
from lxml import etree

from vms.libvirtxml import parse
from vms.virt import links, networks, nwfilters, pools, secrets
from vms.virt.optional import optional
from vms.virt.values import HostFacts


def version(number: int) -> str:
    """9000000 as "9.0.0"; "" for 0."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}" if number else ""


def uuid(handle: Any) -> str:
    """The machine's UUID, "" where the driver has none."""
    return parse(handle.getCapabilities()).findtext("host/uuid") or ""


def read(handle: Any) -> HostFacts:
    """The facts; only the capabilities must be told."""
    capabilities = parse(handle.getCapabilities())
    node: list[Any] = optional(handle.getInfo, ["", 0, 0, 0, 1, 0, 0, 0])
    arch = capabilities.findtext("host/cpu/arch") or str(node[0])
    return HostFacts(
        uuid=capabilities.findtext("host/uuid") or "",
        hostname=optional(handle.getHostname, ""),
        arch=arch,
        cpu_model=cpu_model(handle, capabilities),
        sockets=node[5],
        cores=node[6],
        threads=node[7],
        cpus=node[2],
        memory_kib=node[1] * 1024,
        libvirt_version=version(optional(handle.getLibVersion, 0)),
        qemu_version=version(optional(handle.getVersion, 0)) if handle.getType() == "QEMU" else "",
        domain_type=domain_type(handle, capabilities, arch),
        security_models=tuple(
            model for element in capabilities.iterfind("host/secmodel/model") if (model := element.text)
        ),
        networks=networks.known(handle),
        pools=pools.known(handle),
        pool_types=pools.types(handle),
        secrets=secrets.known(handle),
        filters=nwfilters.known(handle),
        links=links.read(handle),
    )


def cpu_model(handle: Any, capabilities: etree._Element) -> str:
    """The processor's own name, else the model that libvirt takes it for."""
    told = optional(lambda: parse(handle.getSysinfo()), None)
    for entry in told.iterfind("processor/entry") if told is not None else ():
        if entry.get("name") == "version" and entry.text:
            return entry.text.strip()
    return capabilities.findtext("host/cpu/model") or ""


def domain_type(handle: Any, capabilities: etree._Element, arch: str) -> str:
    """kvm only where both the processor's flag and QEMU say so: /dev/kvm may be there and not work."""
    if handle.getType() != "QEMU":
        return str(handle.getType()).lower()
    flags = {str(feature.get("name")) for feature in capabilities.iterfind("host/cpu/feature")}
    # libvirt leaves out features that the named model implies; the arch-neutral flag is all that other machines have.
    flags |= optional(lambda: expanded(handle, capabilities), set())
    told = optional(lambda: parse(handle.getDomainCapabilities(None, arch, None, "kvm", 0)), None)
    if told is None or told.findtext("domain") != "kvm":
        return "qemu"
    return "kvm" if arch not in ("x86_64", "i686") or flags & {"vmx", "svm"} else "qemu"


def expanded(handle: Any, capabilities: etree._Element) -> set[str]:
    """The names of all features of the host's processor."""
    cpu = capabilities.find("host/cpu")
    return expanded_of(handle, cpu) if cpu is not None else set()


def expanded_of(handle: Any, cpu: etree._Element) -> set[str]:
    """The names of all features of such a processor, those that its model implies among them."""
    text = etree.tostring(cpu, encoding="unicode")
    full = parse(handle.baselineCPU([text], libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES))
    return {str(feature.get("name")) for feature in full.iterfind("feature")}
