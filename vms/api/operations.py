"""Operations: what was asked for, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Body, Header, Router, Status
from pydantic import BaseModel, ConfigDict

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.kinds import Kind, Params
from vms.kinds.migration import MIGRATE
from vms.models import Host, Network, Operation, OperationLog, StoragePool, VirtualMachine
from vms.permissions import get_operation_or_404, visible_operations
from vms.services import operations
from vms.services.sentences import kind_title, log_line, sentence
from vms.services.telling import as_told, lines_told

router = Router(tags=["operations"])

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[ -~]{1,100}$")]


class NoParameters(BaseModel):
    """An empty object, or no body at all."""

    model_config = ConfigDict(extra="forbid")


Nothing = Annotated[NoParameters | None, Body()]


class Target(BaseModel):
    kind: str
    id: int
    name: str


class Failure(BaseModel):
    """Why it did not succeed; details is the host's own text."""

    code: str
    detail: str
    params: dict[str, Any]
    details: str


class OperationItem(BaseModel):
    id: int
    kind: str
    title: str
    state: str
    target: Target
    actor: str
    progress: int | None
    cancel_requested: bool
    superseded_by: int | None
    error: Failure | None
    queued_at: datetime
    started_at: datetime | None
    waiting_at: datetime | None
    waits_until: datetime | None
    ended_at: datetime | None


class LogLine(BaseModel):
    at: datetime
    level: str
    code: str
    params: dict[str, Any]
    text: str


class MoveFigures(BaseModel):
    """Of a VM that moves: what came over and what is still to come, how fast, and what its guest writes anew
    meanwhile. seconds_left: null while that is faster; downtime_ms: how long it stands still at the end; passes over
    its memory. postcopy: it runs there already, and nothing takes it back."""

    done_bytes: int
    left_bytes: int
    speed_bytes: int
    dirty_bytes: int
    passes: int
    downtime_ms: int | None
    seconds: int
    seconds_left: int | None
    postcopy: bool = False


class OperationDetail(OperationItem):
    log: list[LogLine]
    move: MoveFigures | None = None


class Started(BaseModel):
    operation: OperationItem


def failure(operation: Operation) -> Failure | None:
    """What went wrong; the host's own text is only there for who may see the host."""
    if not operation.error_code:
        return None
    return Failure(
        code=operation.error_code,
        detail=sentence(operation.error_code, operation.error_params),
        params=operation.error_params,
        details=operation.details,
    )


def item(operation: Operation) -> OperationItem:
    """One that was told (services.telling)."""
    return OperationItem(
        id=operation.pk,
        kind=operation.kind,
        title=kind_title(operation.kind),
        state=operation.state,
        target=Target(kind=operation.target_kind, id=operation.target_id, name=operation.target_name),
        actor=operation.actor_name,
        progress=operation.progress,
        cancel_requested=operation.cancel_requested,
        superseded_by=operation.superseded_by_id,
        error=failure(operation),
        queued_at=operation.queued_at,
        started_at=operation.started_at,
        waiting_at=operation.waiting_at,
        waits_until=operation.waits_until,
        ended_at=operation.ended_at,
    )


def moving(operation: Operation) -> MoveFigures | None:
    """None for other kinds, and before anything is told."""
    told = operation.result
    return MoveFigures.model_validate(told) if operation.kind == MIGRATE.name and "done_bytes" in told else None


def line(row: OperationLog) -> LogLine:
    return LogLine(at=row.at, level=row.level, code=row.code, params=row.params, text=log_line(row.code, row.params))


def start(
    request: HttpRequest,
    response: HttpResponse,
    kind: Kind,
    thing: VirtualMachine | Host | StoragePool | Network,
    key: str | None,
    params: Params | None = None,
    *,
    wait: bool = False,
) -> Status[Started]:
    """Ask for the work, and say where it can be followed."""
    operation = operations.request(kind, thing, actor=actor(request), params=params, idempotency_key=key, wait=wait)
    return accepted(request, response, operation)


def accepted(request: HttpRequest, response: HttpResponse, operation: Operation) -> Status[Started]:
    """202 with the operation and its address."""
    response["Location"] = reverse("api-1:operation", args=[operation.pk])
    [told] = as_told(actor(request), [operation])
    return Status(202, Started(operation=item(told)))


def asked_again(
    request: HttpRequest, response: HttpResponse, kind: Kind, pk: int, key: str | None
) -> Status[Started]:  # fmt: skip
    """The same answer as before, for who repeats what has taken the thing away; Http404 for anybody else."""
    known = operations.of_what_is_gone(actor(request), kind, pk, key)
    if known is None:
        raise Http404
    return accepted(request, response, known)


@router.get("", response=answers(200, Listing[OperationItem]), url_name="operations", summary="The latest first")
def index(request: HttpRequest, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[OperationItem]:
    who = actor(request)
    rows = visible_operations(who).select_related("host")
    return listing(rows, lambda rows: [item(row) for row in as_told(who, rows)], page, page_size, timezone.now())


@router.get(
    "/{int:operation_id}",
    response=answers(200, OperationDetail, 404),
    url_name="operation",
    summary="One, with its log",
)
def show(request: HttpRequest, operation_id: int) -> OperationDetail:
    [operation] = as_told(actor(request), [get_operation_or_404(actor(request), operation_id)])
    log = [line(row) for row in lines_told(operation, operation.log.all())]
    return OperationDetail(**item(operation).model_dump(), log=log, move=moving(operation))


@router.post(
    "/{int:operation_id}/cancel", response=answers(202, Started, 400, 403, 404, 409), summary="Ask for its end"
)
def cancel(request: HttpRequest, operation_id: int, response: HttpResponse, body: Nothing = None) -> Status[Started]:
    operation = get_operation_or_404(actor(request), operation_id)
    return accepted(request, response, operations.cancel(operation, actor=actor(request)))
