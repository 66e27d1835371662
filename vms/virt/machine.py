"""What leaves this room of the machine itself: frozen values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pages:
    """Huge pages of one size that a cell keeps."""

    size_kib: int
    total: int


@dataclass(frozen=True)
class Socket:
    """A package as far as it is in one NUMA node; cores: of each the processors that share it, by number."""

    id: int
    cores: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Cell:
    """A NUMA node: its own memory, processors by number, and how those that are switched on sit in sockets."""

    id: int
    memory_kib: int
    cpus: tuple[int, ...]
    sockets: tuple[Socket, ...]
    pages: tuple[Pages, ...]


@dataclass(frozen=True)
class SecurityModel:
    """A security driver and the label that it gives a VM's process where the host tells it."""

    model: str
    label: str


@dataclass(frozen=True)
class GuestCpu:
    """The best processor that a VM can have there and keep on a host of the same: libvirt's host-model, by name with
    all its features. lacks: those of the model that it has not. blocked: of the models by name that a VM can not have,
    which features are wanting, as far as that is told (libvirt 10.3)."""

    model: str = ""
    vendor: str = ""
    features: tuple[str, ...] = ()
    blocked: tuple[tuple[str, tuple[str, ...]], ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostHardware:
    """What a host is made of and what its hypervisor can, which changes seldom. None, "" and () stand for what it
    does not tell. features: of the processor, those that matter here, as the host has them. kvm: QEMU finds KVM.
    nested: a VM's processor could run VMs of its own. firmwares: what VMs can start by, None where libvirt is too old
    to tell. cgroups: the controllers that a running VM is under, None while none runs. slow: it took seconds to answer
    what costs nothing. tpm: it can emulate one. cpu_models: those by name that a VM can have
    there, under KVM where it has that. three_d: QEMU can draw with its graphics card. most_vcpus: beside each of
    machines how many processors a VM of it can have, 0 where that is not told. guest_cpu: what is compared before a VM
    moves."""

    vendor: str
    product: str
    firmware_version: str
    cpu_vendor: str
    cpu_named: str
    features: tuple[str, ...]
    cells: tuple[Cell, ...]
    machines: tuple[str, ...]
    default_machine: str
    emulator: str
    firmwares: tuple[str, ...] | None
    secure_boot: bool | None
    kvm: bool | None
    nested: bool | None
    iommu: bool | None
    cgroups: tuple[str, ...] | None
    security: tuple[SecurityModel, ...]
    qemu_user: str
    slow: bool
    tpm: bool | None = None
    cpu_models: tuple[str, ...] = ()
    three_d: bool = False
    most_vcpus: tuple[int, ...] = ()
    guest_cpu: GuestCpu | None = None


@dataclass(frozen=True)
class HostNumbers:
    """A host's counters: processor time since it started, all, idle, and of that waiting for disks (None: not told);
    memory; of each cell its free huge pages by size in KiB, and, where there is more than one, its free memory."""

    cpu_ns: int
    idle_ns: int
    memory_kib: int
    memory_free_kib: int
    free_pages: dict[int, dict[int, int]]
    free_kib: dict[int, int]
    wait_ns: int | None = None


@dataclass(frozen=True)
class DeviceInfo:
    """A device of a host. name: libvirt's, the same as long as it is plugged in there. kind: pci, usb, mdev (an
    instance), mdev_type (what instances can be made of), block, net or scsi. sort: a PCI device's class by number.
    address: PCI's and SCSI's, USB's bus and device, a network card's MAC. path: its file on the host. physical: the
    device whose virtual function it is; functions: how many it has, of how many. free: instances that can still be
    made. numa_node: the cell that it is next to, None where that is not told."""

    name: str
    kind: str
    parent: str = ""
    vendor: str = ""
    vendor_id: str = ""
    product: str = ""
    product_id: str = ""
    sort: str = ""
    driver: str = ""
    address: str = ""
    path: str = ""
    iommu_group: int | None = None
    physical: str = ""
    functions: int = 0
    most_functions: int = 0
    free: int | None = None
    size_bytes: int = 0
    state: str = ""
    numa_node: int | None = None
