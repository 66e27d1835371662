"""Numbers over time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router
from ninja.errors import ValidationError
from pydantic import BaseModel, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.metrics import HOST, POOL, VM, Family, Of, series_of
from vms.models import Host
from vms.permissions import get_host_or_404, get_pool_or_404, get_vm_or_404
from vms.services import metrics

vms_router = Router(tags=["vms"])
hosts_router = Router(tags=["hosts"])
pools_router = Router(tags=["pools"])

From = Annotated[datetime | None, Query(alias="from", description="ISO 8601, or seconds since 1970; an hour before to")]
To = Annotated[datetime | None, Query(description="ISO 8601, or seconds since 1970; now")]
Step = Annotated[int, Query(ge=1, le=10**8, description="Seconds; what makes some 300 points")]
Names = Annotated[str, Query(max_length=500, description="Names with commas between them; all")]

# A moment and what was measured then; OpenAPI as it is made here knows no tuples.
Pair = Annotated[list[int | float | None], Field(min_length=2, max_length=2)]


class Numbers(BaseModel):
    """series: of each its points, oldest first, as [seconds since 1970, value]; null where nothing was measured, once
    in each gap. units: percent, bytes, bytes/s, 1/s or s. step: seconds between two points, at least what was asked
    for: what is older is kept less finely. period: seconds between two samples at present."""

    start: int = Field(serialization_alias="from")
    end: int = Field(serialization_alias="to")
    step: int
    period: float | None
    units: dict[str, str]
    series: dict[str, list[Pair]]


def seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def wrong(name: str, message: str) -> ValidationError:
    return ValidationError([{"loc": ("query", name), "type": "value_error", "msg": message}])


def numbers(
    family: Family, thing: int, host: Host | None, start: datetime | None, end: datetime | None, step: int | None,
    series: str, of: Of,
) -> Numbers:  # fmt: skip
    names = metrics.chosen(family, series)
    if names is None:
        raise wrong("series", f"The series are {', '.join(series_of(family))}")
    try:
        told = metrics.over_time(family, thing, names, start=seconds(start), end=seconds(end), step=step or 0, of=of)
    except ValueError:
        raise wrong("from", "It is not before to") from None
    return Numbers(
        start=told.start,
        end=told.end,
        step=told.step,
        period=metrics.period(host) if host else None,
        units={name: series_of(family)[name].unit for name in names},
        series={name: [[t, value] for t, value in points] for name, points in told.points.items()},
    )


@vms_router.get(
    "/{int:vm_id}/metrics", response=answers(200, Numbers, 404), by_alias=True, url_name="vm-metrics",
    summary="Its numbers over time",
)  # fmt: skip
def of_vm(
    request: HttpRequest, vm_id: int, start: From = None, to: To = None, step: Step | None = None, series: Names = "",
    of: Literal["mean", "highest"] = "mean",
) -> Numbers:  # fmt: skip
    """cpu, steal and wait in percent of its processors' time; memory is used, as the guest tells it, or where it tells
    nothing what its process holds; the rest is a second, latencies are of a request. What has filesystem in its
    name the guest tells each few minutes. of: of what lies in a step."""
    vm = get_vm_or_404(actor(request), vm_id)
    host = vm.placement.host if vm.placement else None
    return numbers(VM, vm.pk, host, start, to, step, series, of)


@hosts_router.get(
    "/{int:host_id}/metrics", response=answers(200, Numbers, 404), by_alias=True, url_name="host-metrics",
    summary="Its numbers over time",
)  # fmt: skip
def of_host(
    request: HttpRequest, host_id: int, start: From = None, to: To = None, step: Step | None = None, series: Names = "",
    of: Literal["mean", "highest"] = "mean",
) -> Numbers:  # fmt: skip
    """cpu and wait in percent of all its processors' time; memory is what is neither free nor held by caches."""
    host = get_host_or_404(actor(request), host_id)
    return numbers(HOST, host.pk, host, start, to, step, series, of)


@pools_router.get(
    "/{int:pool_id}/metrics", response=answers(200, Numbers, 404), by_alias=True, url_name="pool-metrics",
    summary="Its space over time",
)  # fmt: skip
def of_pool(
    request: HttpRequest, pool_id: int, start: From = None, to: To = None, step: Step | None = None, series: Names = "",
    of: Literal["mean", "highest"] = "mean",
) -> Numbers:  # fmt: skip
    """used and capacity in bytes, as its host tells them each minute while the pool is active."""
    pool = get_pool_or_404(actor(request), pool_id)
    return numbers(POOL, pool.pk, None, start, to, step, series, of)
