"""Where VMs can go, by what is stored: which VM to which host, and for one VM the hosts, best first, each with the way
in which it would go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vms.errors import CannotMove
from vms.kinds.migration import Migrate
from vms.models import Host, VirtualMachine
from vms.permissions import Who, visible_hosts
from vms.services.placement_rules import How, Reason, can, judge, local_disks
from vms.services.placement_sides import DiskSide, HostSide, PoolSide, VmSide, sides
from vms.services.telling import host_name

# So long may any go on before it is given up, and so long for each GiB of memory and of disks that are copied.
LEAST_SECONDS: Final = 600
SECONDS_A_GIB: Final = 30
GIB: Final = 1 << 30


@dataclass(frozen=True)
class Verdict:
    """Whether the VM can go to the host, in the way that is best there, and the reasons and remarks. disks: those that
    go with it."""

    vm: VmSide
    host: HostSide
    how: How
    reasons: tuple[Reason, ...]
    disks: tuple[DiskSide, ...] = ()

    @property
    def possible(self) -> bool:
        return can(self.reasons)

    @property
    def copied_bytes(self) -> int:
        return sum(disk.size_bytes for disk in self.disks)

    @property
    def wish(self) -> Migrate:
        """The options that the check has chosen. One that does not come to its end is given up, and the VM runs on
        where it is; it is slowed down or let go before all of its memory has come only where somebody asks for that."""
        moved = self.copied_bytes + (self.vm.needs.memory_kib * 1024 if self.vm.needs else 0)
        return Migrate(
            host=self.host.pk,
            mode=self.how.mode,
            copy_storage=bool(self.disks),
            pool=self.how.pool.pk if self.disks and self.how.pool else 0,
            timeout_s=LEAST_SECONDS + moved * SECONDS_A_GIB // GIB if self.vm.runs else 0,
        )


def targets(who: Who) -> list[Host]:
    """The hosts to which he may move VMs, by name."""
    return list(visible_hosts(who, "host.use").order_by("name", "pk"))


def matrix(who: Who, vms: Iterable[VirtualMachine], hosts: Iterable[Host]) -> list[Verdict]:
    """Of each of the VMs and each of the hosts, by VM and host as they are given. vms: such as he may move; hosts: such
    as he may move VMs to."""
    several, there = list(vms), list(hosts)
    known = sides(who, several, there)
    found = (known.vms[vm.pk] for vm in several if vm.pk in known.vms)
    return [verdict(vm, known.hosts[host.pk]) for vm in found for host in there]


def choices(who: Who, vm: VirtualMachine) -> list[Verdict]:
    """The hosts but its own, best first: those that it can go to, of them those that have its disks already, then those
    with the most memory free."""
    found = [one for one in matrix(who, [vm], targets(who)) if one.host.pk != one.vm.here.pk]
    return sorted(found, key=rank)


def rank(one: Verdict) -> tuple[bool, bool, int, int, str]:
    return (
        not one.possible,
        bool(one.disks),
        sum(reason.code == "memory_free" for reason in one.reasons),
        -one.host.free_kib,
        one.host.name,
    )


def verdict(vm: VmSide, host: HostSide) -> Verdict:
    """In the way that is best: without a stop where it runs, with the disks that the host does not reach."""
    disks = tuple(local_disks(vm, host)) if vm.here.pk != host.pk else ()
    how = How("live" if vm.runs else "offline", bool(disks), best_pool(host, disks))
    return Verdict(vm, host, how, judge(vm, host, how), disks)


def best_pool(host: HostSide, disks: tuple[DiskSide, ...]) -> PoolSide | None:
    """The roomiest that can hold such disks, else the roomiest."""
    if not disks:
        return None
    wanted = {disk.format for disk in disks if disk.format}
    fitting = [pool for pool in host.pools if wanted <= set(pool.formats)]
    return next(iter([*fitting, *host.pools]), None)


def refuse(who: Who, vm: VirtualMachine, host: Host, wish: Migrate) -> None:
    """CannotMove with the first reason, of those that are known here, for which the VM cannot go to the host in that
    way."""
    known = sides(who, [vm], [host])
    there = known.hosts[host.pk]
    pool = next((pool for pool in there.pools if pool.pk == wish.pool), None)
    found = judge(known.vms[vm.pk], there, How(wish.mode, wish.copy_storage, pool))
    for reason in found:
        if reason.grave:
            raise CannotMove("", **reason.params, name=vm.name, host=host_name(who, host), obstacle=reason.code)
