"""Which VMs a list shows and in which order; pages and API ask the same function."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Final

from django.db.models import Case, F, Q, QuerySet, Value, When, Window
from django.db.models.expressions import OrderBy
from django.db.models.functions import Lower, RowNumber
from django.utils import timezone

from vms.errors import BadParameters
from vms.models import Placement, State, Tag, VirtualMachine
from vms.permissions import Who, is_administrator, visible_hosts, visible_vms

GONE: Final = "gone"
STATES: Final = (*State.values, GONE)
SORTS: Final = {
    "name": "name_order",
    "state": "placement__state",
    "host": "host_order",
    "memory": "placement__memory_kib",
    "vcpus": "placement__vcpus",
    "since": "placement__state_since",
}
# What a row shows, for only(): making objects of columns that nobody sees is a third of the query's time.
SHOWN: Final = (
    "placement__uuid", "placement__name", "placement__title", "placement__state", "placement__present",
    "placement__persistent", "placement__waiting", "placement__run_id", "placement__read_at", "placement__addresses",
    "placement__memory_kib", "placement__graphics",
    "placement__host__name", "placement__host__heard_at", "placement__host__error_code", "placement__host__left_alone",
    "placement__host__driver",
)  # fmt: skip
SHOWN_AFTER_GOING: Final = timedelta(days=30)
SHORT_HEX: Final = re.compile("[0-9a-f]{1,7}")
MOST_WORDS: Final = 10
LONGEST_QUERY: Final = 300


def find_vms(
    who: Who, *, q: str = "", state: str = "", host: int | None = None, tag: str = "", sort: str = "name"
) -> QuerySet[VirtualMachine]:
    """Those VMs that the user may see and in which every word of q stands, with placement and host.

    state is one of STATES or empty, tag one that they have, sign by sign, sort a key of SORTS, with "-" before it for
    the reverse; else BadParameters. What vanished from its host is listed for 30 days;
    templates are no VMs here.
    """
    if state and state not in STATES:
        raise BadParameters(field="state")
    if sort.removeprefix("-") not in SORTS:
        raise BadParameters(field="sort")
    vms = visible_vms(who).filter(templated_at=None)
    if state == GONE:
        vms = vms.filter(placement__present=False)
    elif state:
        vms = vms.filter(placement__state=state, placement__present=True)
    if host is not None:
        vms = vms.filter(placement__host__in=visible_hosts(who).filter(pk=host).values("pk"))
    if tag:
        vms = vms.filter(pk__in=Tag.objects.filter(name=tag.replace("\0", "")).values("vm"))
    vms = vms.exclude(placement__present=False, placement__gone_at__lt=timezone.now() - SHOWN_AFTER_GOING)
    if asked := words(q):
        # Placements are looked through by themselves, one after the other as they lie there: that is quick.
        vms = vms.filter(placement__in=Placement.objects.filter(*(contains(word) for word in asked)).values("pk"))
    if sort.removeprefix("-") == "host":
        vms = vms.annotate(host_order=host_order(who))
    return ordered(vms, sort)


def host_order(who: Who) -> F | Case:
    """By what VMs are sorted by host. Those on hosts that he may not see stand together, because their order would tell
    which are neighbours."""
    if is_administrator(who, "host.view"):
        return F("placement__host__name")
    seen = When(placement__host__in=visible_hosts(who).values("pk"), then="placement__host__name")
    return Case(seen, default=Value(""))


def these(who: Who, pks: Sequence[int]) -> list[VirtualMachine]:
    """Those that the user may see, in that order, as far as rows show them."""
    found = {vm.pk: vm for vm in visible_vms(who).filter(pk__in=pks).only(*SHOWN)}
    return [found[pk] for pk in pks if pk in found]


def words(q: str) -> list[str]:
    """The words to look for, in lower case; a NUL stands in no text and is dropped."""
    return q[:LONGEST_QUERY].replace("\0", "").lower().split()[:MOST_WORDS]


def contains(word: str) -> Q:
    """Of a placement: whether the word stands in what the list searches, or in a tag; Django escapes LIKE's own signs.

    "db" or "42" stands in every third UUID and MAC: so short a piece of hexadecimal is looked for outside them.
    """
    tagged = Q(vm__in=Tag.objects.filter(name__icontains=word).values("vm"))
    if SHORT_HEX.fullmatch(word):
        fields = ("name", "title", "description", "addresses")
        return reduce(or_, (Q(**{f"{field}__icontains": word}) for field in fields), tagged)
    return Q(search__contains=word) | tagged


def by_host(vms: QuerySet[VirtualMachine], sort: str, most: int) -> QuerySet[VirtualMachine]:
    """The first few of each host, one host after the other."""
    place = Window(RowNumber(), partition_by=F("placement__host_id"), order_by=order(sort))
    return vms.annotate(place=place).filter(place__lte=most).order_by("placement__host__name", "place")


def ordered(vms: QuerySet[VirtualMachine], sort: str) -> QuerySet[VirtualMachine]:
    """By the sort's column, then by name and id, so that pages neither repeat nor lose a row."""
    return vms.annotate(name_order=Lower("placement__name")).order_by(*order(sort))


def order(sort: str) -> list[OrderBy]:
    """What may be empty comes last; to say it of a name would keep the database from its index."""
    name = SORTS[sort.removeprefix("-")]
    last = True if name == SORTS["since"] else None
    first = F(name).desc(nulls_last=last) if sort.startswith("-") else F(name).asc(nulls_last=last)
    return [first, *([] if name == SORTS["name"] else [F("name_order").asc()]), F("pk").asc()]
