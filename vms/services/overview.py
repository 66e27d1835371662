"""The first page: what needs somebody, how many run, what happened lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, QuerySet
from django.utils import timezone

from vms.models import (
    Host,
    VirtualMachine,
)
from vms.permissions import Who, is_administrator, visible_vms
from vms.services.freshness import Freshness, freshness
from vms.services.lists import SHOWN_AFTER_GOING
from vms.services.stream import Entry, stream

RUNS = ("running", "shutting_down")
SHOWN_STATES = ("running", "paused", "shut_off", "crashed", "saved", "pmsuspended", "shutting_down", "unknown")
ALWAYS = ("running", "shut_off")


@dataclass(frozen=True)
class HostLine:
    """A host with what stands on it."""

    host: Host
    fresh: Freshness
    total: int
    running: int

    @property
    def is_well(self) -> bool:
        """Whether it answers, or is left alone because somebody wanted it so."""
        return self.fresh in ("live", "alone")


# {host: {state: how many VMs}}
Tally = dict[int, dict[str, int]]


def tally(who: Who) -> Tally:
    """How many of the VMs that the user sees are on each host in each state."""
    present = visible_vms(who).filter(placement__present=True, templated_at=None).order_by()
    found: Tally = {}
    for host, state, number in present.values_list("placement__host_id", "placement__state").annotate(Count("pk")):
        found.setdefault(host, {})[state] = number
    return found


def counts(who: Who, on: Tally) -> list[tuple[str, int]]:
    """(state, VMs in it); running and shut off always, others where there are any."""
    found = {state: sum(states.get(state, 0) for states in on.values()) for state in SHOWN_STATES}
    recently = timezone.now() - SHOWN_AFTER_GOING
    gone = visible_vms(who).filter(placement__present=False, placement__gone_at__gte=recently).count()
    states = [(state, number) for state, number in found.items() if state in ALWAYS or number]
    return states + ([("gone", gone)] if gone else [])


def host_lines(hosts: QuerySet[Host], on: Tally) -> list[HostLine]:
    """These hosts with the number of the VMs on them, those that do not answer first."""
    lines = []
    for host in hosts.order_by("name", "pk"):
        states = on.get(host.pk, {})
        running = sum(number for state, number in states.items() if state in RUNS)
        lines.append(HostLine(host, freshness(host), sum(states.values()), running))
    return sorted(lines, key=lambda line: line.is_well)


def is_old(who: Who, lines: list[HostLine]) -> bool:
    """Whether the watcher is not heard, of the hosts that he sees or on which he sees VMs."""
    if any(line.fresh == "old" for line in lines) or is_administrator(who):
        return any(line.fresh == "old" for line in lines)
    hosts = Host.objects.filter(pk__in=visible_vms(who).order_by().values("placement__host"))
    return any(freshness(host) == "old" for host in hosts)


def exposed(who: Who) -> QuerySet[VirtualMachine]:
    """The VMs of which others than the dashboard reach a screen; over tls and tcp a network is the only way to one, so
    there it is said only where the screen asks for no password."""
    there = visible_vms(who).filter(placement__present=True).exclude(placement__exposed="")
    networked = (Host.Transport.TLS, Host.Transport.TCP)
    return there.exclude(placement__exposed="network", placement__host__transport__in=networked).order_by("name", "pk")


def waiting(who: Who) -> QuerySet[VirtualMachine]:
    """The VMs of which changes wait for the next start, by what was last seen of them."""
    there = visible_vms(who).filter(placement__present=True, placement__run_id__isnull=False, placement__waiting__gt=0)
    return there.filter(templated_at=None).order_by("name", "pk")


def lately(who: Who) -> list[Entry]:
    """The last few lines of the last day."""
    day = timezone.now() - timedelta(days=1)
    return stream(who, only=("operations", "events", "alerts"), since=day, most=8)
