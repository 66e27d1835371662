"""The counters of running domains: one call for all that waits for no stuck QEMU, one by one where the driver has no
such call."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

import libvirt

from vms.libvirtxml import DomainXML
from vms.virt.optional import optional

STATISTICS: Final = (
    libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
RUNNING: Final = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
DISK: Final = ("rd.bytes", "wr.bytes", "rd.reqs", "wr.reqs", "rd.times", "wr.times")
CARD: Final = ("rx.bytes", "tx.bytes", "rx.pkts", "tx.pkts", "rx.drop", "tx.drop", "rx.errs", "tx.errs")


class DiskNumbers(NamedTuple):
    """A disk's counters since its domain started: bytes, requests, and nanoseconds that these took all together."""

    name: str
    read_bytes: int
    written_bytes: int
    reads: int
    writes: int
    read_ns: int
    written_ns: int


class CardNumbers(NamedTuple):
    """A network card's counters as the host's end of it counts, told from the guest's side. name: of that end."""

    name: str
    in_bytes: int
    out_bytes: int
    in_packets: int
    out_packets: int
    in_drops: int
    out_drops: int
    in_errors: int
    out_errors: int


class Numbers(NamedTuple):
    """A running domain's counters; None and () stand for what its host or guest does not tell. run_id: its counters
    started anew with another one. steal_ns: its processors could run and had to wait for one of the host; wait_ns: they
    waited for input and output. memory_kib: used, as the guest sees it, else what the process holds. balloon_kib: what
    the guest has of its memory now. swap: moved since the guest started."""

    cpu_ns: int
    memory_kib: int | None
    run_id: int | None = None
    vcpus: int | None = None
    steal_ns: int | None = None
    wait_ns: int | None = None
    balloon_kib: int | None = None
    available_kib: int | None = None
    rss_kib: int | None = None
    swap_in_kib: int | None = None
    swap_out_kib: int | None = None
    disks: tuple[DiskNumbers, ...] = ()
    cards: tuple[CardNumbers, ...] = ()


def numbers(handle: Any) -> dict[str, Numbers]:
    """Of each running domain by UUID; {} where there is nothing to be told."""
    try:
        told = handle.getAllDomainStats(STATISTICS, RUNNING)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return one_by_one(handle)
    return {domain.UUIDString(): counters(record, domain.ID()) for domain, record in told if "cpu.time" in record}


def counters(record: dict[str, Any], run_id: int | None = None) -> Numbers:
    """libvirt's record as a value; whatever is missing in it is left out."""
    get = record.get
    available = get("balloon.available")
    # What caches hold is given back when somebody needs it; an old guest tells only what nobody uses at all.
    free = get("balloon.usable", get("balloon.unused"))
    rss = get("balloon.rss")
    several = range(get("vcpu.maximum", get("vcpu.current", 0)))
    steal = [record[name] for name in map(delay, several) if name in record]
    wait = [record[name] for name in map(waited, several) if name in record]
    return Numbers(
        record["cpu.time"],
        max(available - free, 0) if available is not None and free is not None else rss,
        run_id,
        get("vcpu.current"),
        sum(steal) if steal else None,
        sum(wait) if wait else None,
        get("balloon.current"),
        available,
        rss,
        get("balloon.swap_in"),
        get("balloon.swap_out"),
        tuple(
            DiskNumbers(name, *map(get, keys, NONE))
            for keys, name in ((disk_keys(i), get(f"block.{i}.name")) for i in range(get("block.count", 0)))
            if name is not None and keys[0] in record
        ),
        tuple(
            CardNumbers(name, *map(get, keys, NONE))
            for keys, name in ((card_keys(i), get(f"net.{i}.name")) for i in range(get("net.count", 0)))
            if name is not None and keys[0] in record
        ),
    )


# For counters that a disk or card lacks, as a disk without times.
NONE: Final = (0,) * max(len(DISK), len(CARD))


@lru_cache(maxsize=1024)
def delay(number: int) -> str:
    return f"vcpu.{number}.delay"


@lru_cache(maxsize=1024)
def waited(number: int) -> str:
    return f"vcpu.{number}.wait"


@lru_cache(maxsize=1024)
def disk_keys(number: int) -> tuple[str, ...]:
    return tuple(f"block.{number}.{name}" for name in DISK)


@lru_cache(maxsize=1024)
def card_keys(number: int) -> tuple[str, ...]:
    return tuple(f"net.{number}.{name}" for name in CARD)


def one_by_one(handle: Any) -> dict[str, Numbers]:
    """The same by a few questions a domain (LXC); one that stops meanwhile is left out."""
    found = {}
    for domain in handle.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING):
        told = optional(partial(of_one, domain), None)
        if told is not None:
            found[domain.UUIDString()] = told
    return found


def of_one(domain: Any) -> Numbers:
    _, _, memory, vcpus, cpu_ns = domain.info()
    targets = DomainXML.parse(domain.XMLDesc(0)).element.iterfind("devices/interface/target")
    names = [name for target in targets if (name := target.get("dev", ""))]
    told: dict[str, tuple[int, ...]] = {name: optional(partial(domain.interfaceStats, name), ()) for name in names}
    # (rx bytes, packets, errors, drops, tx bytes, packets, errors, drops)
    cards = tuple(
        CardNumbers(name, *(max(each[i], 0) for i in (0, 4, 1, 5, 3, 7, 2, 6))) for name, each in told.items() if each
    )
    return Numbers(cpu_ns, memory, domain.ID(), vcpus, rss_kib=memory, cards=cards)
