"""Virtual networks and the filters before VMs' cards. To make one is to choose which of the host's wires VMs reach: it
equals root there. Fixed addresses in one that is there do not."""

from __future__ import annotations

from dataclasses import dataclass

from vms.kinds.base import Autostart, Kind, Params
from vms.kinds.words import mark


@dataclass(frozen=True)
class Definition(Params):
    """spec: what vms.libvirtxml.read_network() reads. autostart: it starts with its host."""

    spec: dict  # type: ignore[type-arg]
    autostart: bool = True


@dataclass(frozen=True)
class Change(Params):
    """changes: what is to be different, in the words of the description."""

    changes: dict  # type: ignore[type-arg]


@dataclass(frozen=True)
class FixedAddress(Params):
    """The address that the card of that MAC gets always, and a name for it; of IPv6 by duid, or by name alone."""

    mac: str
    address: str
    name: str = ""
    duid: str = ""


@dataclass(frozen=True)
class Mac(Params):
    """mac: whose address is no longer fixed, or that address itself: one of IPv6 has no MAC."""

    mac: str


@dataclass(frozen=True)
class FilterDocument(Params):
    """document: the filter; it replaces one of its name."""

    document: str


@dataclass(frozen=True)
class Identity(Params):
    """uuid: which of the host's filters."""

    uuid: str


DEFINE = Kind(
    name="network.define",
    title=mark("Add a network"),
    done=mark("given a network"),
    target="host",
    privileges=("network.admin",),
    params=Definition,
    silence_seconds=60,
    lock=False,
)
EDIT = Kind(
    name="network.edit",
    title=mark("Change"),
    done=mark("changed"),
    target="network",
    privileges=("network.admin",),
    params=Change,
    silence_seconds=60,
    harm=1,
)
START = Kind(
    name="network.start",
    title=mark("Start"),
    done=mark("started"),
    target="network",
    privileges=("network.admin",),
    silence_seconds=60,
)
STOP = Kind(
    name="network.stop",
    title=mark("Stop"),
    done=mark("stopped"),
    target="network",
    privileges=("network.admin",),
    silence_seconds=60,
    harm=3,
    ask=True,
)
RESTART = Kind(
    name="network.restart",
    title=mark("Restart"),
    done=mark("restarted"),
    target="network",
    privileges=("network.admin",),
    silence_seconds=60,
    harm=3,
    ask=True,
)
AUTOSTART = Kind(
    name="network.autostart",
    title=mark("Start with the host"),
    done=mark("set to start with the host, or not to"),
    target="network",
    privileges=("network.admin",),
    params=Autostart,
    silence_seconds=20,
)
DELETE = Kind(
    name="network.delete",
    title=mark("Delete"),
    done=mark("deleted"),
    target="network",
    privileges=("network.admin",),
    silence_seconds=60,
    harm=9,
    ask=True,
)
ADD_LEASE = Kind(
    name="network.add-lease",
    title=mark("Fix an address"),
    done=mark("given a fixed address"),
    target="network",
    privileges=("network.lease",),
    params=FixedAddress,
    silence_seconds=20,
)
REMOVE_LEASE = Kind(
    name="network.remove-lease",
    title=mark("Let an address go"),
    done=mark("rid of a fixed address"),
    target="network",
    privileges=("network.lease",),
    params=Mac,
    silence_seconds=20,
)
DEFINE_FILTER = Kind(
    name="filter.define",
    title=mark("Set a network filter"),
    done=mark("given a network filter"),
    target="host",
    privileges=("network.admin",),
    params=FilterDocument,
    silence_seconds=60,
    lock=False,
)
DELETE_FILTER = Kind(
    name="filter.delete",
    title=mark("Delete a network filter"),
    done=mark("rid of a network filter"),
    target="host",
    privileges=("network.admin",),
    params=Identity,
    silence_seconds=20,
    lock=False,
    harm=8,
    ask=True,
)

KINDS = (
    DEFINE, EDIT, START, STOP, RESTART, AUTOSTART, DELETE, ADD_LEASE, REMOVE_LEASE, DEFINE_FILTER, DELETE_FILTER,
)  # fmt: skip
