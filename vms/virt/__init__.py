"""libvirt, and the only room that imports it: synchronous, typed, without Django. These are all its names.

connect(spec) reaches a host by any transport. tunnel(spec, address, port) and tunnel_to_socket(spec, path) give a
stream socket to another end on an ssh host: see their docstrings.
"""

from vms.virt.agent import Agent, GuestCard, GuestFileSystem, GuestInfo, GuestUser
from vms.virt.connection import Connection, connect, cut_after, open_connection
from vms.virt.console import open_console
from vms.virt.domain import Domain
from vms.virt.events import (
    DevicesChanged,
    Disconnected,
    DomainBroke,
    DomainChanged,
    DomainRebooted,
    Event,
    NetworkChanged,
    PoolChanged,
    SecretChanged,
    watch,
)
from vms.virt.host_keys import offered_key
from vms.virt.keys import fingerprint, kind
from vms.virt.machine import DeviceInfo, GuestCpu, HostHardware, HostNumbers
from vms.virt.migration import Move
from vms.virt.networks import Network
from vms.virt.numbers import CardNumbers, DiskNumbers, Numbers
from vms.virt.pools import Pool
from vms.virt.spec import HostSpec
from vms.virt.streams import BLOCK, Download, Upload, upload
from vms.virt.tunnels import Tunnel, tunnel, tunnel_to_socket
from vms.virt.unsealing import unseal
from vms.virt.values import (
    DomainInfo,
    FilterInfo,
    HostFacts,
    Job,
    LeaseInfo,
    LinkInfo,
    NetworkInfo,
    PoolInfo,
    SecretInfo,
    SnapshotInfo,
    VolumeFacts,
)
from vms.virt.volumes import Volume

__all__ = [
    "BLOCK",
    "Agent",
    "CardNumbers",
    "Connection",
    "DeviceInfo",
    "DevicesChanged",
    "Disconnected",
    "DiskNumbers",
    "Domain",
    "DomainBroke",
    "DomainChanged",
    "DomainInfo",
    "DomainRebooted",
    "Download",
    "Event",
    "FilterInfo",
    "GuestCard",
    "GuestCpu",
    "GuestFileSystem",
    "GuestInfo",
    "GuestUser",
    "HostFacts",
    "HostHardware",
    "HostNumbers",
    "HostSpec",
    "Job",
    "LeaseInfo",
    "LinkInfo",
    "Move",
    "Network",
    "NetworkChanged",
    "NetworkInfo",
    "Numbers",
    "Pool",
    "PoolChanged",
    "PoolInfo",
    "SecretChanged",
    "SecretInfo",
    "SnapshotInfo",
    "Tunnel",
    "Upload",
    "Volume",
    "VolumeFacts",
    "connect",
    "cut_after",
    "fingerprint",
    "kind",
    "offered_key",
    "open_connection",
    "open_console",
    "tunnel",
    "tunnel_to_socket",
    "unseal",
    "upload",
    "watch",
]
