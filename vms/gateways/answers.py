"""Answers of the transfer process, which lies outside of Django and inside its origin: nothing that it says is a page,
a script or a thing to keep."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from vms.errors import (
    HostUnreachable,
    NotAllowed,
    NotFound,
    RefusedImage,
    RequestRefused,
    TooManyTransfers,
    UploadOver,
    UploadStrange,
    VmsError,
)
from vms.services.sentences import sentence

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Headers = Mapping[str, str]

ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


async def begin(send: Send, status: int, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": encoded({**ALWAYS, **headers})})


async def answer(send: Send, status: int, headers: Headers | None = None, body: bytes = b"") -> None:
    """A whole answer."""
    length = {} if status == 204 else {"Content-Length": str(len(body))}
    await begin(send, status, {**(headers or {}), **length})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, error: VmsError, headers: Headers | None = None) -> None:
    """The no in the API's words."""
    code = status(error)
    told = {
        "type": f"urn:kvmweb:{error.code}", "code": error.code, "status": code, "params": error.params,
        "detail": sentence(error.code, error.params),
    }  # fmt: skip
    later = {"Retry-After": "2"} if code == 503 else {}
    body = json.dumps(told).encode()
    await answer(send, code, {"Content-Type": "application/problem+json", **later, **(headers or {})}, body)


def status(error: VmsError) -> int:
    """503 for what may work in a moment, 410 for what is over."""
    if isinstance(error, NotAllowed):
        return 403
    if isinstance(error, UploadOver):
        return 409 if error.params.get("reason") in ("newer", "held") else 410
    if isinstance(error, UploadStrange):
        return {"offset": 409, "length": 413, "checksum": 460}.get(str(error.params.get("reason")), 400)
    if isinstance(error, RefusedImage):
        return 422
    if isinstance(error, HostUnreachable | TooManyTransfers) or error.code in ("host_silent", "host_left_alone"):
        return 503
    if isinstance(error, NotFound):
        return 404
    return 409 if isinstance(error, RequestRefused) else 500 if type(error) is VmsError else 409


def attachment(name: str) -> str:
    """A Content-Disposition that says the name twice: in ASCII, and as it is."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
