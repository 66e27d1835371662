"""libvirt, and the only room that imports it: synchronous, typed, without Django. These are all its names."""

from vms.virt.connection import Connection, connect, open_connection
from vms.virt.domain import Domain
from vms.virt.events import (
    Disconnected,
    DomainChanged,
    DomainRebooted,
    Event,
    NetworkChanged,
    PoolChanged,
    watch,
)
from vms.virt.spec import HostSpec
from vms.virt.values import DomainInfo, HostFacts, NetworkInfo, Numbers, PoolInfo

__all__ = [
    "Connection",
    "Disconnected",
    "Domain",
    "DomainChanged",
    "DomainInfo",
    "DomainRebooted",
    "Event",
    "HostFacts",
    "HostSpec",
    "NetworkChanged",
    "NetworkInfo",
    "Numbers",
    "PoolChanged",
    "PoolInfo",
    "connect",
    "open_connection",
    "watch",
]
