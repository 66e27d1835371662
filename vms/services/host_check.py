"""Whether a host is fit for VMs, line by line, from what the watcher stored: no command is run there, and what libvirt
does not tell is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from django.utils.translation import gettext

from vms.models import Host, StoragePool
from vms.services.host_check_words import TITLES, WORDS
from vms.services.hosts import items

Result = Literal["pass", "warning", "fail", "unknown"]

X86: Final = ("x86_64", "i686")
# Machines of the others start by a firmware of their own.
WITH_UEFI: Final = (*X86, "aarch64", "armv7l", "riscv64", "loongarch64")
FLAGS: Final = {"vmx": "kvm_intel", "svm": "kvm_amd"}
CONFINING: Final = {"selinux": "SELinux", "apparmor": "AppArmor"}
# What libvirt calls none, and that by which files have owners.
NOT_CONFINING: Final = ("none", "dac")
NEEDED_CGROUPS: Final = ("cpu", "memory")
ROOT: Final = "+0"
GIB: Final = 1 << 30
# Since when libvirt reverts to and deletes external snapshots by itself.
EXTERNAL_SNAPSHOTS: Final = (9, 9, 0)
ITSELF: Final = ("localhost", "localhost.localdomain")


@dataclass(frozen=True)
class Line:
    """What one thing is like. code: which thing; case: which of the sentences about it (host_check_words)."""

    code: str
    result: Result
    case: str
    params: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return gettext(TITLES[self.code]).format(**self.params)

    @property
    def means(self) -> str:
        return gettext(WORDS[self.case].means).format(**self.params)

    @property
    def way(self) -> str:
        """What to do about it; "" for nothing."""
        told = WORDS[self.case].way
        return gettext(told).format(**self.params) if told else ""

    @property
    def command(self) -> str:
        """What tells or changes it on the host, for somebody who sits there."""
        return WORDS[self.case].command.format(**self.params)


def checked(host: Host) -> list[Line]:
    """All lines of the host; none before it was read."""
    if not host.facts or not host.hardware:
        return []
    return check(host.driver, host.transport, host.facts, host.hardware, host.pools.filter(present=True))


def check(
    driver: str, transport: str, facts: Mapping[str, Any], hardware: Mapping[str, Any], pools: Iterable[StoragePool]
) -> list[Line]:
    """The lines for facts and hardware as they are stored, in the order in which one would repair."""
    lines: list[Line] = []
    if driver == Host.Driver.QEMU:
        lines += [*virtualization(facts, hardware), iommu(hardware), cgroups(hardware), confinement(hardware)]
        lines.append(qemu_user(hardware))
        if facts.get("arch") in WITH_UEFI:
            lines.append(firmware(hardware))
    lines += [
        libvirt(facts, snapshots=driver == Host.Driver.QEMU),
        *storage(facts, pools),
        *networks(facts),
        hostname(facts),
    ]
    if transport == Host.Transport.TCP:
        lines.append(Line("way", "fail", "way_clear"))
    return [*lines, Line("clock", "unknown", "clock")]


def tally(lines: Iterable[Line]) -> list[tuple[Result, int]]:
    """How many there are of each result that there is, the worst first."""
    results = [line.result for line in lines]
    order: tuple[Result, ...] = ("fail", "warning", "unknown", "pass")
    return [(result, results.count(result)) for result in order if result in results]


def virtualization(facts: Mapping[str, Any], hardware: Mapping[str, Any]) -> Iterator[Line]:
    """The processor's flag, KVM's modules and its device, and whether VMs could run VMs."""
    has = set(hardware.get("features", []))
    flag = next((name for name in FLAGS if name in has), "")
    module = FLAGS.get(flag) or ("kvm_amd" if hardware.get("cpu_vendor") == "AMD" else "kvm_intel")
    usable = bool(hardware.get("kvm")) and facts.get("domain_type") == "kvm"
    names = {"flag": flag or ("svm" if module == "kvm_amd" else "vmx"), "module": module}
    if flag:
        yield Line("cpu", "pass", "cpu_can", names)
    elif facts.get("arch") not in X86 or not (has or hardware.get("cpu_named")):
        yield Line("cpu", "pass", "cpu_other") if usable else Line("cpu", "unknown", "cpu_unknown", names)
    else:
        yield Line("cpu", "fail", "cpu_is_vm" if "hypervisor" in has else "cpu_cannot", names)
    if usable:
        yield Line("modules", "pass", "modules_there", names)
        yield Line("kvm", "pass", "kvm_usable")
    else:
        yield Line("modules", "unknown", "modules_unknown", names)
        if hardware.get("slow"):
            yield Line("kvm", "fail", "kvm_slow")
        elif hardware.get("kvm"):
            yield Line("kvm", "warning", "kvm_lies", names)
        else:
            yield Line("kvm", "fail", "kvm_closed" if flag else "kvm_none", names)
    nested = hardware.get("nested") if usable else None
    result: Result = "unknown" if nested is None else "pass" if nested else "warning"
    yield Line("nested", result, {None: "nested_unknown", True: "nested_on", False: "nested_off"}[nested], names)


def iommu(hardware: Mapping[str, Any]) -> Line:
    there = hardware.get("iommu")
    if there is None:
        return Line("iommu", "unknown", "iommu_unknown")
    return Line("iommu", "pass", "iommu_on") if there else Line("iommu", "warning", "iommu_off")


def cgroups(hardware: Mapping[str, Any]) -> Line:
    under = hardware.get("cgroups")
    if under is None:
        return Line("cgroups", "unknown", "cgroups_unknown")
    missing = [name for name in NEEDED_CGROUPS if name not in under]
    if missing:
        return Line("cgroups", "warning", "cgroups_missing", {"names": ", ".join(missing)})
    return Line("cgroups", "pass", "cgroups_there")


def confinement(hardware: Mapping[str, Any]) -> Line:
    """sVirt: what keeps a VM that broke out of QEMU away from everything else."""
    models = [str(each.get("model", "")) for each in items(hardware.get("security"))]
    found = next((model for model in models if model in CONFINING), "")
    if found:
        return Line("svirt", "pass", "svirt_on", {"driver": CONFINING[found]})
    if other := next((model for model in models if model not in NOT_CONFINING), ""):
        return Line("svirt", "unknown", "svirt_other", {"driver": other})
    return Line("svirt", "fail", "svirt_off") if models else Line("svirt", "unknown", "svirt_unknown")


def qemu_user(hardware: Mapping[str, Any]) -> Line:
    user = str(hardware.get("qemu_user", "")).partition(":")[0]
    if not user:
        return Line("qemu_user", "unknown", "user_unknown")
    if user == ROOT:
        return Line("qemu_user", "fail", "user_root")
    return Line("qemu_user", "pass", "user_own", {"user": user.removeprefix("+")})


def firmware(hardware: Mapping[str, Any]) -> Line:
    offered = hardware.get("firmwares")
    if offered is None:
        return Line("firmware", "unknown", "firmware_unknown")
    if "efi" not in offered:
        return Line("firmware", "warning", "firmware_bios")
    return Line("firmware", "pass", "firmware_secure" if hardware.get("secure_boot") else "firmware_efi")


def libvirt(facts: Mapping[str, Any], *, snapshots: bool) -> Line:
    """snapshots: whether VMs of its driver can have any."""
    told = str(facts.get("libvirt_version", ""))
    parts = told.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return Line("libvirt", "unknown", "libvirt_unknown")
    old = snapshots and tuple(int(part) for part in parts) < EXTERNAL_SNAPSHOTS
    return Line("libvirt", "warning" if old else "pass", "libvirt_old" if old else "libvirt_good", {"version": told})


def storage(facts: Mapping[str, Any], pools: Iterable[StoragePool]) -> Iterator[Line]:
    """Whether there is a place for disks, and how full each is."""
    found = sorted(pools, key=lambda pool: pool.name)
    if not found:
        yield Line("pools", "fail", "pools_none")
    elif any(str(step).startswith("pool") for step in facts.get("missing", [])):
        yield Line("pools", "warning", "pools_default")
    else:
        yield Line("pools", "pass", "pools_there")
    for pool in found:
        yield fullness(pool)


def fullness(pool: StoragePool) -> Line:
    names = {"pool": pool.name}
    if not pool.active:
        return Line("space", "warning", "space_stopped", names)
    if not pool.capacity_bytes:
        return Line("space", "unknown", "space_unknown", names)
    free = pool.available_bytes
    names |= {"free": f"{free / GIB:.1f}", "share": str(100 * free // pool.capacity_bytes)}
    if free < GIB or free * 20 < pool.capacity_bytes:
        return Line("space", "fail", "space_none", names)
    low = free * 10 < pool.capacity_bytes
    return Line("space", "warning" if low else "pass", "space_low" if low else "space_good", names)


def networks(facts: Mapping[str, Any]) -> Iterator[Line]:
    told = items(facts.get("networks"))
    if not any(network.get("active") for network in told):
        yield Line("networks", "fail" if not told else "warning", "networks_stopped" if told else "networks_none")
    elif any(str(step).startswith("network") for step in facts.get("missing", [])):
        yield Line("networks", "warning", "networks_default")
    else:
        yield Line("networks", "pass", "networks_there")


def hostname(facts: Mapping[str, Any]) -> Line:
    """By its own name the others find it when a VM moves there."""
    name = str(facts.get("hostname", ""))
    if not name:
        return Line("hostname", "unknown", "hostname_unknown")
    if name in ITSELF:
        return Line("hostname", "warning", "hostname_itself", {"name": name})
    return Line("hostname", "unknown", "hostname_told", {"name": name})
