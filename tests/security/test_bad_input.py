"""Whatever a request carries, the answer is a no in words: never 500, and problem details from the API."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client

from tests.conftest import sign_in
from tests.data.names import STRANGE_TEXTS
from tests.routes import METHODS, PLACE, World, address, routes
from tests.shares import SHARES, share_of
from vms import live
from vms.models import Operation, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
WORLD_STANDS = True

IDS = ("0", "-1", str(2**31), str(2**63 - 1), str(2**63), "9" * 40, "9" * 5000, "1.5", "0x1", "٣", "one", "%00", "1 ")
DEEP = "[" * 100_000
BODIES = (
    b"", b"{", b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b"\x00", b"{}" * 2, DEEP.encode(), b'{"a":' * 5_000,
    b'{"kind": 1, "mode": []}', b'{"kind": {"kind": {"kind": "vnc"}}}', b'{"kind": "\\ud800"}', b'{"\\ud800": 1}',
    b'{"kind": "vnc", "kind": "x"}', b'{"x": ' + b"9" * 5000 + b"}", b'{"kind": NaN}', b"a=1&b=2", b"x" * 3_000_000,
    json.dumps({name: name for name in STRANGE_TEXTS}).encode(),
)  # fmt: skip
KINDS = (
    "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
    "multipart/form-data; boundary=x", "",
)  # fmt: skip
# What is read of a query string, and of a form; a field that a route does not read is refused or ignored elsewhere.
QUERIES = {
    "hosts/moves/": ("q", "host", "to", "page"),
    "api/v1/placement": ("vm", "host", "page", "page_size"),
    "vms/": ("q", "state", "host", "sort", "page", "group", "as"),
    "vms/rows": ("ids", "as"),
    "vms/screens": ("ids",),
    "api/v1/vms/<int:vm_id>/screenshot": ("of",),
    "vms/numbers": ("ids",),
    "vms/sparks": ("ids",),
    "vms/<int:pk>/metrics/": ("span", "of"),
    "vms/<int:pk>/metrics/csv/": ("span", "of"),
    "hosts/<int:pk>/metrics/": ("span", "of"),
    "hosts/<int:pk>/metrics/csv/": ("span", "of"),
    "api/v1/vms/<int:vm_id>/metrics": ("from", "to", "step", "series", "of"),
    "api/v1/hosts/<int:host_id>/metrics": ("from", "to", "step", "series", "of"),
    "vms/<int:pk>/header": ("tab",),
    "vms/<int:pk>/xml/": ("which",),
    "vms/<int:pk>/activity/": ("before",),
    "hosts/<int:pk>/activity/": ("before",),
    "vms/<int:pk>/serial/": ("device", "own"),
    "vms/<int:pk>/serial/card": ("device", "console"),
    "activity/": ("before", "batch"),
    "audit/": ("q", "actor", "object", "from", "to", "before"),
    "api/v1/audit": ("q", "actor", "object", "from", "to", "page", "page_size"),
    "accounts/login/": ("next",),
    "accounts/reauthenticate/": ("next",),
    "sessions/": ("page", "consoles"),
    "api/v1/sessions": ("page", "page_size"),
    "api/v1/consoles": ("page", "page_size"),
    "users/": ("q", "page"),
    "api/v1/tokens": ("user", "page", "page_size"),
    "groups/": ("q", "page"),
    "groups/<int:pk>/": ("page",),
    "grants/": ("q", "page", "kind", "to"),
    "api/v1/groups": ("q", "page", "page_size"),
    "api/v1/users": ("q", "page", "page_size"),
    "api/v1/vms": ("q", "state", "host", "sort", "page", "page_size"),
    "api/v1/hosts": ("page", "page_size"),
    "api/v1/operations": ("page", "page_size"),
}
HOST_FIELDS = (
    "transport", "driver", "name", "address", "port", "user", "socket", "ca_certificate", "certificate", "private_key",
    "unencrypted",
)  # fmt: skip
FORMS = {
    "hosts/add/": HOST_FIELDS,
    "hosts/<int:pk>/edit/": HOST_FIELDS,
    "hosts/<int:pk>/accept-key/": ("fingerprint",),
    "sessions/<int:pk>/end/": ("next",),
    "consoles/<int:pk>/close/": ("next",),
    "users/add/": ("name", "mail", "administrator"),
    "account/tokens/": ("name", "days", "bundle", "single"),
    "groups/add/": ("name",),
    "groups/<int:pk>/join/": ("member",),
    "groups/<int:pk>/leave/": ("user",),
    "groups/<int:pk>/rename/": ("name",),
    "vms/<int:pk>/agent/freeze/": ("seconds",),
    "vms/<int:pk>/agent/password/": ("user", "password"),
    "vms/<int:pk>/agent/ssh-keys/": ("user", "keys", "my_keys", "remove"),
    "vms/<int:pk>/cd/": ("drive", "medium"),
    "vms/<int:pk>/move-disk/": ("part", "pool"),
    "vms/<int:pk>/dump/": ("pool",),
    "hosts/<int:pk>/maintenance/": ("do", "plan", "parallel", "choice-1", "choice-x"),
    "plans/": (
        "kind",
        "hosts",
        "margin",
        "window",
        "percentile",
        "spare",
        "most",
        "lose",
        "add",
        "add_cpus",
        "more_gib",
        "cpu_percent",
        "apart",
        "pinned_tags",
    ),
    "plans/<int:pk>/": ("do", "hash"),
    "hosts/<int:pk>/move-routes/<int:target>/": ("way", "peer", "peer_transport", "address"),
    "vms/<int:pk>/migrate/": ("host", "mode", "pool", "bandwidth_mib", "minutes", "on_timeout"),
    "vms/<int:pk>/clone/": ("name", "host", "pool", "start"),
    "vms/bulk/migrate/": ("vm", "all", "q", "state", "host", "confirmed"),
    "vms/bulk/tags/": ("vm", "all", "q", "state", "host", "confirmed", "add", "remove"),
    "invitation/": ("token", "password1", "password2"),
    "theme/": ("next", "theme"),
    "operations/<int:pk>/read/": ("next",),
    "operations/<int:pk>/cancel/": ("next",),
    "vms/bulk/<slug:verb>/": ("vm", "all", "q", "state", "host", "when_silent"),
    "vms/<int:pk>/send-key/": ("keys", "tab", "when_silent"),
    "vms/<int:pk>/autostart/": ("enabled", "tab"),
    "vms/<int:pk>/eject/": ("drive", "tab"),
    "vms/<int:pk>/reset/": ("confirmed", "tab"),
    "accounts/login/": ("login", "password", "next"),
    "accounts/reauthenticate/": ("password", "next"),
    "vms/<int:pk>/console/ticket/": ("kind", "mode", "device", "force"),
    "vms/<int:pk>/console/take-over/": ("console",),
}
VALUES = (
    "", "0", "-1", "1e9", "9" * 20, "9" * 5000, "NaN", "null", "1,2,x", ",", "2026-13-45T99:99", "2026-01-01",
    "2026-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00", "\x00", "\ud800", "%", "../..",
    "//evil.example", "{{ 7*7 }}", "{0.__class__}", "' OR 1=1 --", "x" * 5000, "[", "❤",
    "00000000-0000-0000-0000-000000000000", "::1", "10.0.0.1", "owner__password",
)  # fmt: skip


@pytest.fixture
def send(alice: User) -> Any:
    """send(method, path, ...): the answer to alice, undone afterwards."""
    signed_in = sign_in(alice)

    def sent(method: str, path: str, body: bytes = b"", kind: str = "application/json", **headers: str) -> Any:
        live.connection().flushall()
        client = Client(HTTP_X_REAL_IP="127.0.0.1", raise_request_exception=False)
        for name, cookie in signed_in.cookies.items():
            client.cookies[name] = cookie.value
        with transaction.atomic():
            answer = client.generic(method, path, body, content_type=kind, headers=headers)
            transaction.set_rollback(True)
        return answer

    return sent


def fault(path: str, answer: Any) -> str:
    """What is wrong with the answer; nothing for a good one, or for a no of the right form."""
    if answer.status_code >= 500 and answer.status_code != 503:
        return f"{path[:80]!r}: {answer.status_code}"
    if answer.status_code >= 400 and path.startswith("/api/"):
        if answer["Content-Type"] != "application/problem+json":
            return f"{path[:80]!r}: {answer.status_code} as {answer['Content-Type']}"
        if answer.content and json.loads(answer.content)["status"] != answer.status_code:
            return f"{path[:80]!r}: another status in its problem"
    return ""


ALL = routes()
WITH_PLACES = [route for route in ALL if PLACE.search(route)]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("route", WITH_PLACES)
def test_ids_that_are_none(route: str, share: int, send: Any, world: World) -> None:
    faults = []
    for identity in share_of(IDS, share, WITH_PLACES.index(route)):
        path = address(route, dict.fromkeys(world.values(route), identity))
        faults += [fault(path, send(method, path)) for method in ("GET", "POST")]
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("route", ALL)
def test_bodies_that_are_none(route: str, share: int, send: Any, world: World) -> None:
    path = address(route, world.values(route))
    faults = [fault(path, send("POST", path, body)) for body in share_of(BODIES, share, ALL.index(route))]
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize("route", ["vms/<int:pk>/pause/", "api/v1/vms/<int:vm_id>/console", "accounts/login/"])
def test_kinds_of_body_that_are_not_asked_for(route: str, send: Any, world: World) -> None:
    path = address(route, world.values(route))
    faults = [fault(path, send(method, path, b'{"kind": 1}', kind)) for method in METHODS for kind in KINDS]
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("route", sorted(set(QUERIES) & set(routes())))
def test_queries_that_do_not_fit(route: str, share: int, send: Any, world: World) -> None:
    faults = []
    for row, field in enumerate(QUERIES[route]):
        for value in share_of(VALUES, share, row + len(route)):
            path = f"{address(route, world.values(route))}?{field}={quote(value, errors='surrogatepass')}"
            faults.append(fault(path, send("GET", path)))
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("route", sorted(set(FORMS) & set(routes())))
def test_forms_that_do_not_fit(route: str, share: int, send: Any, world: World) -> None:
    path = address(route, world.values(route))
    faults = []
    for row, field in enumerate(FORMS[route]):
        for value in share_of(VALUES, share, row + len(route)):
            form = f"{field}={quote(value, errors='surrogatepass')}".encode()
            faults.append(fault(path, send("POST", path, form, "application/x-www-form-urlencoded")))
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize(
    "query", ["%", "a=%ff%fe", "=", "&&&", "a[]=1&a[]=2", "page=1&page=2", "&".join(f"a{n}=1" for n in range(1500))]
)
@pytest.mark.parametrize("route", ["vms/", "vms/rows", "api/v1/vms", "activity/"])
def test_query_strings_that_are_none(route: str, query: str, send: Any, world: World) -> None:
    assert not fault(f"/{route}", send("GET", f"/{route}?{query}"))


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer \x00"}, {"Authorization": "Bearer " + "x" * 9000}, {"Idempotency-Key": "\x00"},
     {"Idempotency-Key": "ключ"}, {"Accept": "text/xml"}, {"Accept-Language": "x" * 3000}, {"Range": "bytes=9-1"},
     {"Content-Length": "-1"}, {"X-Real-IP": "nowhere"}, {"X-Forwarded-Proto": "gopher"}, {"HX-Request": "true"},
     {"HX-Target": "' onload=1 #vm-header"}, {"Origin": "null"}, {"If-Modified-Since": "never"},
     {"X-Kvmweb-Refresh": "\xff"}],
    ids=lambda headers: "-".join(headers),
)  # fmt: skip
@pytest.mark.parametrize("route", ["vms/", "vms/<int:pk>/", "vms/<int:pk>/pause/", "api/v1/vms/<int:vm_id>/pause"])
def test_headers_that_do_not_fit(route: str, headers: dict[str, str], send: Any, world: World) -> None:
    path = address(route, world.values(route))
    for method in ("GET", "POST"):
        assert not fault(path, send(method, path, **headers))


@pytest.mark.parametrize(
    "path",
    ["/%00", "/%ff", "/..%2f..%2fetc/passwd", "/vms/%2e%2e/", "/api/v1", "/api/v1//vms", "/api/v1/vms/../hosts",
     "/" + "a" * 9000, "/api/v2/vms", "/vms/1/nothing/"],
    ids=lambda path: path[:30],
)  # fmt: skip
def test_addresses_that_lead_nowhere(path: str, send: Any) -> None:
    for method in METHODS:
        assert send(method, path).status_code in (301, 404, 405), method


def test_nothing_was_started_by_any_get(send: Any, world: World) -> None:
    before = Operation.objects.count()
    client = Client(HTTP_X_REAL_IP="127.0.0.1")
    for name, cookie in sign_in(world.operation.actor_user).cookies.items():  # type: ignore[arg-type]
        client.cookies[name] = cookie.value
    for route in routes():
        client.get(address(route, world.values(route)))
    world.operation.refresh_from_db()
    assert (Operation.objects.count(), world.operation.state) == (before, "waiting")
