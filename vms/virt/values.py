"""What leaves this room: frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from vms.libvirtxml import SnapshotTold


@dataclass(frozen=True)
class SnapshotInfo:
    """A snapshot that a host keeps of a domain. sources: what its document names as the domain's own at that moment.
    told: what else that says, without secrets. current: the domain came from it last."""

    name: str
    sources: tuple[tuple[str, ...], ...] = ()
    told: SnapshotTold | None = None
    current: bool = False


@dataclass(frozen=True)
class DomainInfo:
    """What a host says of a domain. run_id tells one run from the next and is None while it is off. The documents
    are without passwords; live_xml is "" while it is off, next_boot_xml is "" for what is not kept after it stops.
    open_screens: the kinds of screen that listen on an address now and ask for no password. checkpoints: the names of
    those that its host keeps of it."""

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
    snapshots: tuple[SnapshotInfo, ...] = ()
    checkpoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """Long work of a host on a domain: bytes done and bytes left as it counts them now. Of a move also: speed and
    dirty, bytes/s that go and that its guest writes anew; passes over its memory, the first is 1; downtime_ms: how long
    it will stand still at the end, None where that is not told; seconds that it has taken."""

    done: int
    left: int
    speed: int = 0
    dirty: int = 0
    passes: int = 0
    downtime_ms: int | None = None
    seconds: int = 0


@dataclass(frozen=True)
class LeaseInfo:
    """An address that a network's DHCP has given; name is what the guest calls itself. duid: by which IPv6 knows it;
    mac is "" where a host does not tell it then."""

    mac: str
    address: str
    name: str = ""
    duid: str = ""


@dataclass(frozen=True)
class NetworkInfo:
    """document: its definition as it is kept, live_document as it runs, "" while it does not."""

    uuid: str
    name: str
    active: bool
    autostart: bool
    persistent: bool = True
    mode: str = ""
    bridge: str = ""
    document: str = ""
    live_document: str = ""
    leases: tuple[LeaseInfo, ...] = ()


@dataclass(frozen=True)
class FilterInfo:
    """A network filter."""

    uuid: str
    name: str
    document: str


@dataclass(frozen=True)
class LinkInfo:
    """A network interface of the host. kind: "ethernet", "bridge", "bond", "vlan", or "" where the host does not tell
    which. state: "up", "down", or what else it is called; speed: in Mbit/s, 0 where it is not told. parts: what a
    bridge or a bond is made of, and what a VLAN is on. addresses: with their prefix, as far as the host tells them."""

    name: str
    kind: str
    mac: str = ""
    state: str = ""
    speed: int = 0
    parts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class PoolInfo:
    """Sizes in bytes; 0 while it is not active. document: its definition, without secrets and without sizes."""

    uuid: str
    name: str
    type: str
    path: str
    active: bool
    autostart: bool
    capacity: int
    available: int
    allocation: int = 0
    persistent: bool = True
    document: str = ""


@dataclass(frozen=True)
class SecretInfo:
    """What a host tells of a secret that it keeps: what it is for, never what it is. private: libvirt itself gives it
    to nobody either."""

    uuid: str
    usage: str
    name: str
    private: bool


@dataclass(frozen=True)
class VolumeFacts:
    """What a host tells of a volume. kind: libvirt's (file, block, dir, network, netdir, ploop). format: what it takes
    it for, "" where the pool knows none. Sizes in bytes: capacity as a guest sees it, physical the length of the file
    or device. mtime: seconds since 1970, None where it is not told."""

    name: str
    kind: str
    path: str
    format: str
    capacity: int
    allocation: int
    physical: int
    backing_path: str = ""
    mtime: float | None = None


@dataclass(frozen=True)
class HostFacts:
    """What a host says of itself. domain_type: "kvm", or "qemu" where its processor or QEMU cannot (software
    emulation), or the driver's own; "" and 0 stand for what it does not tell. pool_types: the types of pool that it can
    have. links: its interfaces that a network can use."""

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
    pool_types: tuple[str, ...] = ()
    secrets: tuple[SecretInfo, ...] = ()
    filters: tuple[FilterInfo, ...] = ()
    links: tuple[LinkInfo, ...] = ()
