"""The list of VMs in sections, one a host: the first few of each, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Count, QuerySet

from vms.models import Host, VirtualMachine
from vms.services.freshness import Freshness, freshness, placed
from vms.services.lists import by_host
from vms.services.rows import SHOWN, Row, make_rows

MOST: Final = 20


@dataclass(frozen=True)
class Section:
    """A host with those of its VMs that were asked for; total may be more than there are rows."""

    host: Host
    fresh: Freshness
    total: int
    rows: list[Row]


def sections(vms: QuerySet[VirtualMachine], sort: str, hosts: list[Host]) -> list[Section]:
    """Those of the hosts on which one of the VMs is, in their order; the VMs as find_vms() gives them."""
    totals = dict(vms.order_by().values_list("placement__host_id").annotate(Count("pk")))
    shown = list(by_host(vms, sort, MOST).only(*SHOWN))
    rows: dict[int, list[Row]] = {}
    for vm, row in zip(shown, make_rows(shown), strict=True):
        rows.setdefault(placed(vm).host_id, []).append(row)
    return [Section(host, freshness(host), totals[host.pk], rows[host.pk]) for host in hosts if host.pk in rows]
