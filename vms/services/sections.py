"""The list of VMs in sections, one a host: the first few of each, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Count, QuerySet

from vms.models import Host, VirtualMachine
from vms.permissions import Who
from vms.services.freshness import Freshness, freshness, placed
from vms.services.lists import SHOWN, by_host, order
from vms.services.rows import Row, make_rows

# All the rows of a page, and of a section where there are few or many of them.
MOST_ROWS: Final = 100
MOST: Final = 20
LEAST: Final = 5
# What a section shows of its host, for only().
LINE: Final = ("name", "heard_at", "error_code", "left_alone")


@dataclass(frozen=True)
class Section:
    """A host with those of its VMs that were asked for, None for all hosts that the reader may not see; total may be
    more than there are rows."""

    host: Host | None
    fresh: Freshness
    total: int
    rows: list[Row]


def totals_by_host(vms: QuerySet[VirtualMachine]) -> dict[int, int]:
    """{host: how many of the VMs are on it}, without those on which there is none."""
    return dict(vms.order_by().values_list("placement__host_id").annotate(Count("pk")))


def sections(
    vms: QuerySet[VirtualMachine], sort: str, hosts: list[Host], totals: dict[int, int], who: Who
) -> list[Section]:
    """One for each of the hosts, in their order; the VMs as find_vms() gives them, the totals theirs."""
    most = min(MOST, max(LEAST, MOST_ROWS // max(len(hosts), 1)))
    shown = list(by_host(vms.filter(placement__host__in=hosts), sort, most).only(*SHOWN))
    rows: dict[int, list[Row]] = {}
    for vm, row in zip(shown, make_rows(shown, who), strict=True):
        rows.setdefault(placed(vm).host_id, []).append(row)
    return [Section(host, freshness(host), totals[host.pk], rows.get(host.pk, [])) for host in hosts]


def others(vms: QuerySet[VirtualMachine], hosts: list[Host], totals: dict[int, int], who: Who) -> list[Section]:
    """What is on none of these hosts, which are all that he may see; one section, or none where there is nothing."""
    total = sum(totals.values()) - sum(totals.get(host.pk, 0) for host in hosts)
    if not total:
        return []
    # By name, not host by host: who may not see hosts is not told which VMs are neighbours.
    shown = list(vms.exclude(placement__host__in=hosts).order_by(*order("name")).only(*SHOWN)[:MOST])
    return [Section(None, "live", total, make_rows(shown, who))]
