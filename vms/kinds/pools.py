"""Storage pools. Where one is, is a path on the host that root opens: to make one equals root there."""

from __future__ import annotations

from dataclasses import dataclass

from vms.kinds.base import Autostart, Kind, Params
from vms.kinds.words import mark


@dataclass(frozen=True)
class Definition(Params):
    """spec: what vms.libvirtxml.read_spec() reads. build: make a file system, a partition table or a volume group on
    its device, which must hold nothing. autostart: it starts with its host. confirmed: a path of the system that is
    meant all the same."""

    spec: dict  # type: ignore[type-arg]
    build: bool = False
    autostart: bool = True
    confirmed: str = ""


@dataclass(frozen=True)
class Search(Params):
    """What a pool of that type could be made of; server: where to ask, as initiator, "" for the host itself."""

    type: str
    server: str = ""
    port: str = ""
    initiator: str = ""


@dataclass(frozen=True)
class Deletion(Params):
    """wipe: what is in it is deleted too; else it stays where it is, and the host forgets only the pool."""

    wipe: bool


DEFINE = Kind(
    name="pool.define",
    title=mark("Add a storage pool"),
    done=mark("given a storage pool"),
    target="host",
    privileges=("pool.admin",),
    params=Definition,
    silence_seconds=120,
    lock=False,
    secrets=frozenset({"chap_password", "ceph_key"}),
)
DISCOVER = Kind(
    name="pool.discover",
    title=mark("Look for storage"),
    done=mark("asked for storage"),
    target="host",
    privileges=("pool.admin",),
    params=Search,
    silence_seconds=60,
    lock=False,
)
START = Kind(
    name="pool.start",
    title=mark("Start"),
    done=mark("started"),
    target="pool",
    privileges=("pool.admin",),
    silence_seconds=120,
)
STOP = Kind(
    name="pool.stop",
    title=mark("Stop"),
    done=mark("stopped"),
    target="pool",
    privileges=("pool.admin",),
    silence_seconds=120,
    harm=3,
    ask=True,
)
REFRESH = Kind(
    name="pool.refresh",
    title=mark("Refresh"),
    done=mark("looked through"),
    target="pool",
    privileges=("pool.use",),
    silence_seconds=300,
)
AUTOSTART = Kind(
    name="pool.autostart",
    title=mark("Start with the host"),
    done=mark("set to start with the host, or not to"),
    target="pool",
    privileges=("pool.admin",),
    params=Autostart,
    silence_seconds=20,
)
DELETE = Kind(
    name="pool.delete",
    title=mark("Delete"),
    done=mark("deleted"),
    target="pool",
    privileges=("pool.admin",),
    params=Deletion,
    queue="slow",
    silence_seconds=300,
    harm=9,
    ask=True,
)

KINDS = (DEFINE, DISCOVER, START, STOP, REFRESH, AUTOSTART, DELETE)
