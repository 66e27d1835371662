"""Whether a VM can go to a host: pure rules on the two sides, each reason with its code, in the order in which one
would clear them.

They say what is known without asking a host. What a host alone can tell (whether it takes a folder for shared storage,
whether its QEMU starts) the operation asks of it before it moves anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vms.libvirtxml import CpuNeed, MoveNeeds
from vms.services.placement_sides import DiskSide, HostSide, PoolSide, VmSide

# From this QEMU on a move empties the host's cache itself; before, only disks that bypass it are safe.
DROPS_CACHE: Final = (4, 0)
# Under emulation an older one forgets now and then what the guest writes while it moves (QEMU's commit 03bfc2188f).
KEEPS_WRITES: Final = (9, 0)
UNCACHED: Final = frozenset({"none", "directsync"})
MOST_NAMED: Final = 8
X86: Final = frozenset({"x86_64", "i686"})


@dataclass(frozen=True)
class Reason:
    """code: its words are in placement_words. grave: it can't; else it can, and this is to be known. params: of the VM
    alone. of_host: what only who sees the host is told."""

    code: str
    grave: bool = True
    params: dict[str, str | int] = field(default_factory=dict)
    of_host: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class How:
    """In which way it would go: "live", "paused", "offline"; whether what the host does not reach is copied, and into
    which pool, None for one that is not there or may not be used."""

    mode: str = "live"
    copy: bool = False
    pool: PoolSide | None = None


def judge(vm: VmSide, host: HostSide, how: How) -> tuple[Reason, ...]:
    """The reasons against it, and what is to be known of it. Nothing grave among them: it can."""
    return tuple(reasons(vm, host, how))


def can(found: tuple[Reason, ...]) -> bool:
    return not any(reason.grave for reason in found)


def grave(code: str, **params: str | int) -> Reason:
    return Reason(code, params=params)


def note(code: str, **params: str | int) -> Reason:
    return Reason(code, grave=False, params=params)


def reasons(vm: VmSide, host: HostSide, how: How) -> Iterator[Reason]:
    if vm.here.pk == host.pk:
        yield grave("same")
        return
    yield from of_the_vm(vm, how)
    yield from of_the_hosts(vm, host)
    if vm.needs is None or not host.known or host.driver != vm.here.driver:
        return
    yield from of_the_machine(vm, vm.needs, host)
    yield from of_the_emulation(vm, vm.needs, how)
    yield from of_the_cpu(vm, vm.needs, host)
    yield from of_the_memory(vm, vm.needs, host)
    yield from of_the_network(vm, vm.needs, host)
    yield from of_the_disks(vm, host, how)
    yield from of_the_devices(vm, vm.needs, host)


def of_the_vm(vm: VmSide, how: How) -> Iterator[Reason]:
    if vm.template:
        yield grave("template")
    if not vm.present:
        yield grave("gone")
    elif not vm.persistent:
        yield grave("not_kept")
    elif vm.saved:
        yield grave("saved")
    elif vm.state in ("unknown", "pmsuspended", "shutting_down") or (how.mode == "offline") == vm.runs:
        yield grave("state", state=vm.state)
    if vm.needs is None and vm.present:
        yield grave("unread")
    if vm.snapshots:
        yield grave("snapshots", n=vm.snapshots)
    if vm.checkpoints:
        yield note("checkpoints", n=vm.checkpoints)


def of_the_hosts(vm: VmSide, host: HostSide) -> Iterator[Reason]:
    if vm.here.fresh in ("silent", "alone"):
        yield grave("here_silent")
    if host.maintenance:
        yield grave("maintenance")
    if host.fresh in ("silent", "alone"):
        yield grave(host.fresh)
    elif host.fresh == "new":
        yield grave("new")
    elif not host.known:
        yield note("unknown")
    elif host.fresh == "old":
        yield note("old")
    if {host.driver, vm.here.driver} != {"qemu"}:
        yield grave("driver")
    # A host that is reached on its own machine alone, and one of another: no worker reaches both.
    if vm.here.node and host.node and vm.here.node != host.node:
        yield grave("nodes")
    if vm.uuid in host.uuids:
        yield grave("uuid_taken")
    elif vm.name in host.names:
        yield grave("name_taken")
    if host.qemu and vm.here.qemu > host.qemu and vm.runs:
        yield Reason("qemu_older", grave=False, of_host={"there": written(host.qemu), "here": written(vm.here.qemu)})


def words(names: list[str]) -> str:
    """Some of them, with a mark for more."""
    return ", ".join([*names[:MOST_NAMED], *(["…"] if len(names) > MOST_NAMED else [])])


def written(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)


def of_the_machine(vm: VmSide, needs: MoveNeeds, host: HostSide) -> Iterator[Reason]:
    if needs.arch and needs.arch != host.arch:
        yield grave("arch", arch=needs.arch)
        return
    if needs.type == "kvm" and not host.kvm:
        yield grave("kvm")
    most = host.machines.get(needs.machine, 0)
    if needs.machine and host.machines and needs.machine not in host.machines:
        yield grave("machine", machine=needs.machine)
    elif most and needs.vcpus > most:
        yield grave("vcpus", n=needs.vcpus, most=most)
    if host.cpus and needs.last_cpu >= host.cpus:
        yield grave("pinned", cpu=needs.last_cpu)
    elif host.cpus and needs.vcpus > host.cpus:
        yield note("few_cpus", n=needs.vcpus)
    if needs.emulator and host.emulator and needs.emulator != host.emulator:
        yield note("emulator")
    if needs.firmware and host.firmwares is not None and "efi" not in host.firmwares:
        yield grave("firmware")
    elif needs.secure_boot and host.secure_boot is False:
        yield grave("secure_boot")
    if lacking := sorted(set(needs.labels) - host.labels - {"dac", "none"}):
        yield grave("label", model=lacking[0])


def of_the_emulation(vm: VmSide, needs: MoveNeeds, how: How) -> Iterator[Reason]:
    if needs.type == "qemu" and how.mode == "live" and vm.state == "running" and () < vm.here.qemu < KEEPS_WRITES:
        yield note("emulated")


def of_the_cpu(vm: VmSide, needs: MoveNeeds, host: HostSide) -> Iterator[Reason]:
    """Under emulation the processor is QEMU's own, the same on every host."""
    cpu = needs.cpu
    if needs.type != "kvm" or not host.kvm or needs.arch != host.arch or needs.arch not in X86:
        return
    if vm.runs and cpu.stays:
        yield grave("cpu_stays")
    elif vm.runs and cpu.clocked:
        yield grave("cpu_clocked")
    vendor = cpu.vendor or (vm.here.cpu_vendor if vm.runs or cpu.mode != "host-model" else "")
    if cpu.mode in ("host-passthrough", "maximum", "host-model"):
        # At its next start it is made anew, of what is there then.
        if vm.runs:
            yield from of_the_same(vm, host, vendor)
    elif cpu.mode == "custom" and cpu.model:
        yield from of_a_model(cpu, host, vm)


def of_the_same(vm: VmSide, host: HostSide, vendor: str) -> Iterator[Reason]:
    """It has all that its host has, so the other must have it too."""
    here = vm.here
    if vendor and host.cpu_vendor and vendor != host.cpu_vendor:
        yield grave("cpu_vendor", vendor=vendor)
    elif not here.cpu_features or not host.cpu_features:
        yield note("cpu_unknown")
    elif lacking := sorted(here.cpu_features - host.cpu_features):
        yield Reason("cpu_features", params={"n": len(lacking)}, of_host={"features": words(lacking)})


def of_a_model(cpu: CpuNeed, host: HostSide, vm: VmSide) -> Iterator[Reason]:
    """By name, with features beside it. A model that the host has not as a whole will do where all that is wanting is
    what this VM does without."""
    if not host.cpu_models and not host.cpu_model:
        yield note("cpu_unknown")
        return
    if cpu.vendor and host.cpu_vendor and cpu.vendor != host.cpu_vendor and vm.runs:
        yield grave("cpu_vendor", vendor=cpu.vendor)
        return
    wanting = host.cpu_blocked.get(cpu.model)
    if wanting is None and cpu.model == host.cpu_model:
        wanting = host.cpu_lacks
    if cpu.model not in host.cpu_models and (wanting is None or not wanting <= cpu.lacks):
        yield grave("cpu_model", model=cpu.model)
    elif host.cpu_features and (lacking := sorted(cpu.has - host.cpu_features - {"hypervisor"})):
        yield grave("cpu_own_features", n=len(lacking), features=words(lacking))


def of_the_memory(vm: VmSide, needs: MoveNeeds, host: HostSide) -> Iterator[Reason]:
    if host.memory_kib and needs.memory_kib > host.memory_kib:
        yield Reason("memory", params={"kib": needs.memory_kib}, of_host={"whole_kib": host.memory_kib})
    elif host.memory_kib and vm.runs and needs.memory_kib > host.free_kib:
        yield Reason("memory_free", grave=False, params={"kib": needs.memory_kib}, of_host={"free_kib": host.free_kib})
    if needs.page_kib is not None and (not host.pages or (needs.page_kib and needs.page_kib not in host.pages)):
        yield grave("pages")


def of_the_network(vm: VmSide, needs: MoveNeeds, host: HostSide) -> Iterator[Reason]:
    for name in needs.networks:
        if name in vm.here.sriov and vm.runs:
            yield grave("sriov", network=name)
        elif name not in host.networks:
            yield grave("network", network=name)
        elif vm.runs and not host.networks[name]:
            yield grave("network_stopped", network=name)
    for name in needs.bridges:
        if host.bridges is None:
            yield note("bridge_unknown", bridge=name)
        elif name not in host.bridges:
            yield grave("bridge", bridge=name)
    for name in needs.links:
        if host.links is not None and name not in host.links:
            yield grave("link", link=name)
    for name in needs.filters:
        if name not in host.filters:
            yield grave("filter", filter=name)


def of_the_disks(vm: VmSide, host: HostSide, how: How) -> Iterator[Reason]:
    for disk in vm.disks:
        if disk.need.network:
            continue
        if disk.need.transient and vm.runs:
            yield grave("transient", disk=disk.need.target)
        elif is_shared(disk, host):
            yield from of_a_shared_disk(vm, disk)
        elif vm.runs and disk.need.medium:
            yield grave("seed" if disk.private else "medium", disk=disk.need.target)
    if local := local_disks(vm, host):
        yield from of_local_disks(vm, host, how, local)


def is_shared(disk: DiskSide, host: HostSide) -> bool:
    """Whether the host has the same bytes, of it and of all that lies below it."""
    return disk.storages <= host.storages.keys()


def local_disks(vm: VmSide, host: HostSide) -> list[DiskSide]:
    """Those that would have to be copied: of a VM that is off also what is in its drives."""
    return [
        disk
        for disk in vm.disks
        if not (disk.need.network or is_shared(disk, host) or (vm.runs and (disk.need.medium or disk.need.transient)))
    ]


def of_a_shared_disk(vm: VmSide, disk: DiskSide) -> Iterator[Reason]:
    if not vm.runs or disk.need.readonly:
        return
    cached = disk.need.cache not in UNCACHED and not disk.need.shareable
    if cached and vm.here.qemu and vm.here.qemu < DROPS_CACHE:
        yield grave("cache", disk=disk.need.target)


def of_local_disks(vm: VmSide, host: HostSide, how: How, local: list[DiskSide]) -> Iterator[Reason]:
    for disk in local:
        target = disk.need.target
        if 0 in disk.storages:
            yield grave("disk_outside", disk=target)
        elif disk.need.shareable:
            yield grave("disk_shared", disk=target)
        elif disk.need.readonly and vm.runs:
            yield grave("disk_readonly", disk=target)
    names = words([disk.need.target for disk in local])
    if not how.copy:
        yield grave("disks_local", disks=names)
        return
    if vm.here.pk in host.clear_from:
        yield grave("clear")
    size = sum(disk.size_bytes for disk in local)
    if how.pool is None:
        yield grave("no_pool", disks=names)
    elif lacking := next((disk for disk in local if disk.format and disk.format not in how.pool.formats), None):
        yield grave("format", disk=lacking.need.target, format=lacking.format, pool=how.pool.name)
    elif how.pool.available_bytes < size:
        yield grave("room", pool=how.pool.name, bytes=size, free=how.pool.available_bytes)


def of_the_devices(vm: VmSide, needs: MoveNeeds, host: HostSide) -> Iterator[Reason]:
    # Off it would go, and there find another device under that address, or none.
    for kind in needs.bound:
        yield grave("device", device=kind)
    if needs.folders:
        yield grave("virtiofs") if needs.virtiofs and vm.runs else grave("folder")
    if needs.tpm and host.tpm is False:
        yield grave("tpm")
    elif needs.tpm and not vm.runs:
        yield grave("tpm_off")
    if needs.nvram and not vm.runs:
        yield note("nvram_off")
