"""A verdict as somebody reads it: names and reasons as far as he may know them, and the way in one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext

from vms.kinds.migration import Migrate
from vms.models import Host
from vms.permissions import Who, seen_hosts
from vms.services.placement import Verdict
from vms.services.placement_words import ENDS, MODES, copies, size
from vms.services.sentences import duration, move_reason


@dataclass(frozen=True)
class Told:
    """A reason. grave: it can't move for that."""

    code: str
    grave: bool
    params: dict[str, str | int]
    text: str


@dataclass(frozen=True)
class Line:
    """host: its name, "" for who may not see it. free: the memory that no VM has there, "" likewise."""

    verdict: Verdict
    host: str
    free: str
    reasons: tuple[Told, ...]

    @property
    def way(self) -> str:
        """What the check has chosen, in one line."""
        return self.told(self.verdict.wish)

    @property
    def against(self) -> list[Told]:
        return [reason for reason in self.reasons if reason.grave]

    @property
    def remarks(self) -> list[Told]:
        return [reason for reason in self.reasons if not reason.grave]

    def told(self, wish: Migrate) -> str:
        """Another way than the chosen one, in one line."""
        pools = {pool.pk: pool.name for pool in self.verdict.host.pools}
        return way(wish, len(self.verdict.disks), self.verdict.copied_bytes, pools.get(wish.pool, ""))


def lines(who: Who, verdicts: Iterable[Verdict]) -> list[Line]:
    """In one question for all."""
    found = list(verdicts)
    pks = {side.pk for one in found for side in (one.host, one.vm.here)}
    seen = seen_hosts(who, [Host(pk=pk) for pk in pks])
    return [line(one, seen) for one in found]


def line(one: Verdict, seen: frozenset[int]) -> Line:
    sees = one.host.pk in seen
    name = one.host.name if sees else ""
    here = one.vm.here.name if one.vm.here.pk in seen else ""
    reasons = []
    for reason in one.reasons:
        params = {**reason.params, **(reason.of_host if sees else {})}
        text = move_reason(reason.code, params, vm=one.vm.name, host=name, here=here)
        reasons.append(Told(reason.code, reason.grave, params, text))
    free = gettext("{size} of memory free").format(size=size(one.host.free_kib * 1024)) if sees else ""
    return Line(one, name, free, tuple(reasons))


def way(wish: Migrate, disks: int, of: int, pool: str) -> str:
    """ "live, copies 1 disk of 20 GiB to pool fast, 22 min at most"."""
    parts = [gettext(MODES[wish.mode])]
    if wish.copy_storage:
        parts.append(copies(disks, of, pool))
    if wish.postcopy:
        parts.append(gettext("may run there before all of its memory has come"))
    if wish.bandwidth_mib:
        parts.append(gettext("{n} MiB/s at most").format(n=wish.bandwidth_mib))
    if wish.timeout_s and wish.mode != "offline":
        parts.append(gettext(ENDS[wish.on_timeout]).format(age=duration(wish.timeout_s)))
    return ", ".join(parts)
