"""What a host is built of, as its page draws it: NUMA nodes, in them sockets, in them cores, in them processors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext, ngettext

from vms.models import Host, HostDevice
from vms.services.hosts import items
from vms.services.offers import BRIDGE

# A picture of more would be a carpet; they are counted in words.
MOST_DRAWN: Final = 1024


@dataclass(frozen=True)
class Kept:
    """Huge pages of one size, in KiB; free is None while nothing has been sampled."""

    size_kib: int
    total: int
    free: int | None


@dataclass(frozen=True)
class Drawn:
    """A socket: words says it all, cores is what is drawn."""

    id: int
    words: str
    cores: list[list[int]]


@dataclass(frozen=True)
class Node:
    """A NUMA node. free_kib: None where it is not told. devices: those of which the host tells that they are there."""

    id: int
    cpus: int
    memory_kib: int
    free_kib: int | None
    pages: list[Kept]
    sockets: list[Drawn]
    devices: list[HostDevice]


def nodes(host: Host, use: Mapping[str, Any]) -> list[Node]:
    """Its nodes by number; use is what live.host_use() told."""
    cells = items(host.hardware.get("cells"))
    if not cells:
        return []
    beside: dict[int, list[HostDevice]] = {}
    told = HostDevice.objects.filter(host=host, present=True, kind="pci", numa_node__isnull=False)
    for device in told.exclude(sort__startswith=BRIDGE).order_by("name", "pk"):
        beside.setdefault(device.numa_node or 0, []).append(device)
    drawn = sum(len(cell.get("cpus", [])) for cell in cells) <= MOST_DRAWN
    return [node(cell, use, beside.get(cell["id"], []), drawn=drawn) for cell in cells]


def node(cell: Mapping[str, Any], use: Mapping[str, Any], devices: list[HostDevice], *, drawn: bool) -> Node:
    number = str(cell["id"])
    free = use.get("pages", {}).get(number, {})
    pages = [Kept(kept["size_kib"], kept["total"], free.get(str(kept["size_kib"]))) for kept in items(cell["pages"])]
    return Node(
        id=cell["id"],
        cpus=len(cell["cpus"]),
        memory_kib=cell["memory_kib"],
        free_kib=use.get("free_kib", {}).get(number),
        pages=[kept for kept in pages if kept.total],
        sockets=[socket(told, drawn=drawn) for told in items(cell["sockets"])],
        devices=devices,
    )


def socket(told: Mapping[str, Any], *, drawn: bool) -> Drawn:
    cores = told["cores"]
    return Drawn(told["id"], shape(told["id"], cores), cores if drawn else [])


def shape(number: int, cores: Iterable[list[int]]) -> str:
    """A socket in words."""
    threads = [len(core) for core in cores]
    many = ngettext("{n} core", "{n} cores", len(threads)).format(n=len(threads))
    each = threads[0] if threads and len(set(threads)) == 1 else 0
    if each == 1:
        return gettext("Socket {number}: {cores}").format(number=number, cores=many)
    words = (
        gettext("Socket {number}: {cores} with {each} threads each")
        if each
        else gettext("Socket {number}: {cores}, {all} threads")
    )
    return words.format(number=number, cores=many, each=each, all=sum(threads))
