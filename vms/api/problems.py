"""Every no as RFC 9457 problem details: a stable code, and the sentence that a page would show."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as mark
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel
from redis import RedisError

from vms.errors import (
    BadDefinition,
    BadFields,
    BadParameters,
    BadSeed,
    DefinitionChanged,
    Locked,
    NotAllowed,
    NotFresh,
    VmsError,
)
from vms.services import disk
from vms.services.define import words
from vms.services.sentences import field_sentence, sentence

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
Answer = Callable[..., HttpResponse]

# code: (status, title, sentence) of what is no VmsError.
PLAIN: dict[str, tuple[int, str, str]] = {
    "unreadable": (400, mark("Unreadable request"), mark("The request's body is not JSON.")),
    "bad_request": (400, mark("Bad request"), mark("The request is not acceptable.")),
    "not_signed_in": (401, mark("Not signed in"), mark("Send the cookie of a session, or a token that is good.")),
    "csrf": (403, mark("No CSRF token"), mark("A change by a browser's session needs its CSRF token.")),
    "not_there": (404, mark("Not there"), mark("It does not exist, or you may not see it.")),
    "method": (405, mark("Wrong method"), mark("This address does not take that method.")),
    "too_large": (413, mark("Too large"), mark("The request's body is too large.")),
    "invalid": (422, mark("Invalid request"), mark("Something in the request does not fit; errors says what.")),
    "unavailable": (503, mark("Not now"), mark("A part of the dashboard does not answer. Try again in a few seconds.")),
    "disk_full": (
        507,
        mark("Disk full"),
        mark("The dashboard's disk is full, so nothing was done. Make room in its state folder, then try again."),
    ),
    "internal": (500, mark("Internal error"), mark("The dashboard made a mistake; its log says which.")),
}

# What ninja raises by itself: a body that is no JSON, nobody to answer to, a missing CSRF token.
OF_STATUS = {400: "unreadable", 401: "not_signed_in", 403: "csrf"}


class BlockingOperation(BaseModel):
    id: int
    kind: str
    title: str
    actor: str
    seconds: int


class FieldError(BaseModel):
    where: list[str | int]
    code: str
    detail: str


class Problem(BaseModel):
    """Why not: type is a stable URN of code, detail a sentence for people."""

    type: str
    code: str
    title: str
    status: int
    detail: str
    params: dict[str, str | int] = {}
    blocking_operation: BlockingOperation | None = None
    errors: list[FieldError] | None = None


def answer(problem: Problem) -> HttpResponse:
    return JsonResponse(problem.model_dump(exclude_none=True), status=problem.status, content_type=MEDIA_TYPE)


def plain(code: str, errors: list[FieldError] | None = None) -> HttpResponse:
    """The answer for one of PLAIN's codes."""
    status, title, detail = PLAIN[code]
    return answer(
        Problem(
            type=f"urn:kvmweb:{code}",
            code=code,
            title=gettext(title),
            status=status,
            detail=gettext(detail),
            errors=errors,
        )
    )


def refusal(error: VmsError) -> HttpResponse:
    """409 for what the state of things forbids, 412 where what was edited is another by now, 403 for a missing right or
    a sign-in that is too old, 422 for parameters that do not fit."""
    status = (
        403
        if isinstance(error, NotAllowed | NotFresh)
        else 422
        if isinstance(error, BadParameters | BadFields | BadDefinition | BadSeed)
        else 412
        if isinstance(error, DefinitionChanged)
        else 409
    )
    blocking = None
    errors = None
    if isinstance(error, BadFields):
        errors = [field_error(name, code) for name, code in sorted(error.errors.items())]
    if isinstance(error, BadDefinition):
        errors = [
            FieldError(where=["body", "xml", fault[0]], code=fault[1], detail=words(fault)) for fault in error.faults
        ]
    if isinstance(error, Locked):
        blocking = BlockingOperation.model_validate({**error.params, "id": error.params["operation"]})
    return answer(
        Problem(
            type=f"urn:kvmweb:{error.code}",
            code=error.code,
            title=error.code.replace("_", " ").capitalize(),
            status=status,
            detail=sentence(error.code, error.params),
            params=error.params,
            blocking_operation=blocking,
            errors=errors,
        )
    )


def field_error(name: str, code: str) -> FieldError:
    """A field that does not fit; the API calls a host's address "host"."""
    return FieldError(where=["body", "host" if name == "address" else name], code=code, detail=field_sentence(code))


def place(where: Sequence[str | int]) -> list[str | int]:
    """body, field..., without the name that the body has in our code."""
    return [where[0], *where[2:]] if where[0] == "body" else list(where)


def invalid(errors: list[dict[str, Any]]) -> HttpResponse:
    """422 naming each place; what was sent there is not repeated."""
    fields = [FieldError(where=place(each["loc"]), code=str(each["type"]), detail=str(each["msg"])) for each in errors]
    return plain("invalid", fields)


def unforeseen(error: Exception) -> HttpResponse:
    logger.error("an API request failed", exc_info=error)
    return plain("internal")


def respond(request: HttpRequest, error: Any) -> HttpResponse:
    """The answer for whatever an operation raised."""
    match error:
        case VmsError():
            return refusal(error)
        case ValidationError():
            return invalid(error.errors)
        case Http404():
            return plain("not_there")
        case RequestDataTooBig():
            return plain("too_large")
        case SuspiciousOperation():
            return plain("bad_request")
        case OperationalError() if disk.is_full(error):
            return plain("disk_full")
        case OperationalError() | RedisError():
            logger.error("an API request failed: %s", error)
            return plain("unavailable")
        case HttpError():
            return plain(OF_STATUS.get(error.status_code, "bad_request"))
    return unforeseen(error)


def handle(api: NinjaAPI) -> None:
    """Answer every exception of the API's operations by a problem."""
    for kind in (Http404, HttpError, ValidationError, Exception):
        api.add_exception_handler(kind, respond)


def nowhere(request: HttpRequest, rest: str = "") -> HttpResponse:
    """The answer of every address of the API that nothing stands at."""
    return plain("not_there")


nowhere.csrf_exempt = True  # type: ignore[attr-defined]


def complete(view: Answer) -> Answer:
    """The view, with HEAD where it has GET, a problem for methods that it does not take, and kept by no cache."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **values: Any) -> HttpResponse:
        if request.method == "HEAD":
            request.method = "GET"
        response = view(request, *args, **values)
        if isinstance(response, HttpResponseNotAllowed):
            refused = plain("method")
            refused["Allow"] = response["Allow"]
            response = refused
        response["Cache-Control"] = "no-store"
        return response

    return wrapped


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI description with the problems' own media type, which ninja has no word for."""
    for methods in schema["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
    return schema
