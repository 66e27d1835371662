"""What leaves this room: frozen values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DomainInfo:
    """What a host says of a domain. run_id tells one run from the next and is None while it is off. The documents
    are without passwords; live_xml is "" while it is off, next_boot_xml is "" for what is not kept after it stops.
    open_screens: the kinds of screen that listen on an address now and ask for no password."""

    uuid: str
    name: str
    state: str
    state_reason: str
    persistent: bool
    autostart: bool
    has_managed_save: bool
    run_id: int | None
    live_xml: str
    next_boot_xml: str
    open_screens: tuple[str, ...] = ()


@dataclass(frozen=True)
class Numbers:
    """A running domain's counters: CPU time since it started, memory used (None where the host does not tell)."""

    cpu_ns: int
    memory_kib: int | None


@dataclass(frozen=True)
class Job:
    """Long work of a host on a domain: bytes done and bytes left as it counts them now."""

    done: int
    left: int


@dataclass(frozen=True)
class NetworkInfo:
    uuid: str
    name: str
    active: bool
    autostart: bool


@dataclass(frozen=True)
class PoolInfo:
    """Sizes in bytes; 0 while it is not active."""

    uuid: str
    name: str
    type: str
    path: str
    active: bool
    autostart: bool
    capacity: int
    available: int


@dataclass(frozen=True)
class HostFacts:
    """What a host says of itself. domain_type: "kvm", or "qemu" where its processor or QEMU cannot (software
    emulation), or the driver's own; "" and 0 stand for what it does not tell."""

    uuid: str
    hostname: str
    arch: str
    cpu_model: str
    sockets: int
    cores: int
    threads: int
    cpus: int
    memory_kib: int
    libvirt_version: str
    qemu_version: str
    domain_type: str
    security_models: tuple[str, ...]
    networks: tuple[NetworkInfo, ...]
    pools: tuple[PoolInfo, ...]


@dataclass(frozen=True)
class Pages:
    """Huge pages of one size that a cell keeps."""

    size_kib: int
    total: int


@dataclass(frozen=True)
class Cell:
    """A NUMA node: its own memory, processors by number, and the sockets that they are in."""

    id: int
    memory_kib: int
    cpus: tuple[int, ...]
    sockets: tuple[int, ...]
    pages: tuple[Pages, ...]


@dataclass(frozen=True)
class SecurityModel:
    """A security driver and the label that it gives a VM's process where the host tells it."""

    model: str
    label: str


@dataclass(frozen=True)
class HostHardware:
    """What a host is made of and what its hypervisor can, which changes seldom. None, "" and () stand for what it
    does not tell. features: of the processor, those that matter here, as the host has them. kvm: QEMU finds KVM.
    nested: a VM's processor could run VMs of its own. cgroups: the controllers that a running VM is under, None while
    none runs. slow: it took seconds to answer what costs nothing."""

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
    firmwares: tuple[str, ...]
    secure_boot: bool | None
    kvm: bool | None
    nested: bool | None
    iommu: bool | None
    cgroups: tuple[str, ...] | None
    security: tuple[SecurityModel, ...]
    qemu_user: str
    slow: bool


@dataclass(frozen=True)
class HostNumbers:
    """A host's counters: processor time since it started, all and idle; memory; of each cell its free huge pages by
    size in KiB."""

    cpu_ns: int
    idle_ns: int
    memory_kib: int
    memory_free_kib: int
    free_pages: dict[int, dict[int, int]]


@dataclass(frozen=True)
class DeviceInfo:
    """A device of a host. name: libvirt's, the same as long as it is plugged in there. kind: pci, usb, mdev (an
    instance), mdev_type (what instances can be made of), block, net or scsi. sort: a PCI device's class by number.
    address: PCI's and SCSI's, USB's bus and device, a network card's MAC. path: its file on the host. physical: the
    device whose virtual function it is; functions: how many it has, of how many. free: instances that can still be
    made."""

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
