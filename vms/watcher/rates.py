"""From two readings of counters to what was done a second between them. A counter that went back began anew: what it
counted meanwhile nobody knows, so it is told as None and never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub
from typing import Final

from vms.virt import CardNumbers, DiskNumbers, HostNumbers, Numbers

# Numbers of this length are all None: nothing to compare with.
DISK, CARD = 6, 8
KIB: Final = 1024

Devices = Sequence[DiskNumbers] | Sequence[CardNumbers]


def rates(before: Numbers | None, now: Numbers, seconds: float, vcpus: int) -> list[float | None]:
    """The values of vms.metrics.VM in its order. before: None where there is nothing to compare with. vcpus: where the
    host does not tell how many there are."""
    memory = [None if kib is None else kib * KIB for kib in (now.memory_kib, now.balloon_kib, now.rss_kib)]
    if before is None or seconds <= 0 or before.run_id != now.run_id or before.cpu_ns > now.cpu_ns:
        return [None, None, None, *memory, *[None] * 14]
    # Percent of all its processors' time.
    whole = seconds * (now.vcpus or vcpus or 1) * 1e7
    read, written, reads, writes, read_ns, written_ns = grown(before.disks, now.disks, DISK)
    in_bytes, out_bytes, packets_in, packets_out, *lost = grown(before.cards, now.cards, CARD)
    drops, errors = (None if one is None or other is None else one + other for one, other in (lost[:2], lost[2:]))
    return [
        min((now.cpu_ns - before.cpu_ns) / whole, 100.0),
        share(before.steal_ns, now.steal_ns, whole),
        share(before.wait_ns, now.wait_ns, whole),
        *memory,
        per(less(before.swap_in_kib, now.swap_in_kib, KIB), seconds),
        per(less(before.swap_out_kib, now.swap_out_kib, KIB), seconds),
        per(read, seconds),
        per(written, seconds),
        per(reads, seconds),
        per(writes, seconds),
        each(read_ns, reads),
        each(written_ns, writes),
        per(in_bytes, seconds),
        per(out_bytes, seconds),
        per(packets_in, seconds),
        per(packets_out, seconds),
        per(drops, seconds),
        per(errors, seconds),
    ]


def until_whole(
    was: Sequence[float | None] | None, now: Sequence[float | None], early: float, rest: float, flows: Sequence[bool]
) -> list[float | None]:
    """The same between the whole seconds at which they are kept, so that they add up to what the counters grew however
    unevenly these were asked. was: what was done a second before, of which early seconds came after its whole second;
    rest: seconds of now that come before its own. flows: of which that holds."""
    if was is None or rest <= 0:
        return list(now)
    return [
        new if new is None or old is None or not flow else (early * old + rest * new) / (early + rest)
        for old, new, flow in zip(was, now, flows, strict=True)
    ]


def less(before: int | None, now: int | None, times: int = 1) -> int | None:
    """How much it grew; None where it is not told twice, or went back."""
    return None if before is None or now is None or now < before else (now - before) * times


def share(before: int | None, now: int | None, whole: float) -> float | None:
    grew = less(before, now)
    return None if grew is None else min(grew / whole, 100.0)


def per(amount: int | None, seconds: float) -> float | None:
    return None if amount is None else amount / seconds


def each(nanoseconds: int | None, requests: int | None) -> float | None:
    """Seconds a request; None where there was none."""
    return nanoseconds / requests / 1e9 if requests and nanoseconds is not None else None


def grown(
    before: Sequence[DiskNumbers] | Sequence[CardNumbers],
    now: Sequence[DiskNumbers] | Sequence[CardNumbers],
    length: int,
) -> Sequence[int | None]:
    """How much each counter grew, over all devices that were there before too and did not begin anew."""
    known = {device[0]: device for device in before}
    total: list[int] | None = None
    for device in now:
        if earlier := known.get(device[0]):
            grew = list(map(sub, device[1:], earlier[1:]))
            if min(grew) >= 0:
                total = list(map(sum, zip(total, grew, strict=True))) if total else grew
    return total or [None] * length


def host_rates(before: HostNumbers | None, now: HostNumbers) -> list[float | None]:
    """The values of vms.metrics.HOST in its order; the host's own counters of time are the clock."""
    used = max(now.memory_kib - now.memory_free_kib, 0) * KIB if now.memory_kib else None
    total = now.cpu_ns - before.cpu_ns if before else 0
    idle = now.idle_ns - before.idle_ns if before else -1
    if before is None or total <= 0 or not 0 <= idle <= total:
        return [None, None, used]
    waited = less(before.wait_ns, now.wait_ns)
    return [100 * (1 - idle / total), None if waited is None else min(100 * waited / total, 100.0), used]
