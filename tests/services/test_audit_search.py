"""What of the audit one finds: by words, by who, by what, by when; fast among very many; and as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from vms.errors import BadParameters, NotAllowed
from vms.models import AuditEvent, Host, User, VirtualMachine
from vms.permissions import Actor
from vms.services import audit, audit_export
from vms.services.audit_search import Wish, find_events

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

Found = Callable[..., list[str]]


@pytest.fixture
def found(actor: Actor, vm: VirtualMachine, host: Host) -> Found:
    """found(**wish): the actions of four rows that fit, the newest first."""
    bob = Actor(User.objects.create(username="bob"), address="192.0.2.7")
    audit.record("asked:vm.start", actor=actor, target=vm)
    audit.record("edited:host", actor=bob, target=host, **audit.changes({"port": 22}, {"port": 2222}))
    audit.record("changed:password", actor=bob)
    audit.record("failed:sign-in", address="198.51.100.4", times=3)
    return lambda **wish: [event.action for event in find_events(actor, Wish(**wish))]


def test_everything_comes_the_newest_first(found: Found) -> None:
    assert found() == ["failed:sign-in", "changed:password", "edited:host", "asked:vm.start"]


@pytest.mark.parametrize(
    ("wish", "actions"),
    [
        ({"q": "START"}, ["asked:vm.start"]),
        ({"q": "bob 2222"}, ["edited:host"]),
        ({"q": "198.51.100"}, ["failed:sign-in"]),
        ({"q": "100%"}, []),
        ({"actor": "bob"}, ["changed:password", "edited:host"]),
        ({"actor": "bo"}, []),
        ({"object": "host-a"}, ["edited:host"]),
        ({"object": "web-01", "actor": "bob"}, []),
        ({"until": "2020-01-01"}, []),
        ({"since": "2020-01-01T10:00:00Z", "actor": "alice"}, ["asked:vm.start"]),
    ],
)
def test_what_fits_is_found(found: Found, wish: dict[str, str], actions: list[str]) -> None:
    assert found(**wish) == actions


def test_an_object_is_found_by_its_number(found: Found, vm: VirtualMachine) -> None:
    assert found(object=f"vm:{vm.pk}") == ["asked:vm.start"]


def test_a_day_counts_whole_and_a_time_exactly(found: Found) -> None:
    today, yesterday = timezone.localdate(), timezone.localdate() - timedelta(days=1)
    assert len(found(since=str(today), until=str(today))) == 4 or timezone.localdate() != today
    assert found(until=str(yesterday)) == []
    first, second = AuditEvent.objects.order_by("pk")[:2]
    assert found(until=first.at.isoformat()) == ["asked:vm.start"]
    assert len(found(since=second.at.isoformat())) == 3


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00", "9999-12-31", "2026-02-30"])
def test_what_is_no_time_is_refused(found: Found, text: str) -> None:
    with pytest.raises(BadParameters):
        found(until=text)


def test_nobody_else_finds_anything(found: Found, mallory: User) -> None:
    with pytest.raises(NotAllowed):
        find_events(Actor(mallory), Wish())


def export(client: Client, path: str) -> Any:
    """The whole body of a streamed answer."""
    answer: Any = client.get(path)
    assert answer.status_code == 200 and answer.streaming and answer["Cache-Control"] == "no-store"
    return b"".join(answer).decode()


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("bad", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_of_the_csv_is_a_formula(client_alice: Client, bad: str) -> None:
    AuditEvent.objects.create(user_name=bad, action="asked:vm.start", target_name=f'{bad}," x', facts={"=1": "=1"})
    text = export(client_alice, "/audit/export.csv")
    head, row = csv.reader(io.StringIO(text, newline=""))
    cells = dict(zip(head, row, strict=True))
    assert (cells["user"], cells["object_name"]) == (f"'{bad}", f"'{bad},\" x")
    assert not any(cell.startswith(audit_export.FORMULA) for cell in row)
    assert text.count("\r\n") >= 2 and text.endswith("\r\n")
    assert json.loads(cells["facts"]) == {"=1": "=1"}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("number", [0, 1, 7])
def test_the_files_hold_all_rows_in_their_order(
    client_alice: Client, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "CHUNK", 3)
    AuditEvent.objects.bulk_create(AuditEvent(action="kept:password", facts={"n": n}) for n in range(number))
    rows = json.loads(export(client_alice, "/audit/export.json"))
    assert [row["facts"]["n"] for row in rows] == list(range(number))
    assert all(row["seq"] is None and row["mac"] is None for row in rows)
    assert len(export(client_alice, "/audit/export.csv").splitlines()) == number + 1


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_file_is_filtered_as_the_page(client_alice: Client, found: Found) -> None:
    assert [row["action"] for row in json.loads(export(client_alice, "/audit/export.json?actor=bob"))] == [
        "edited:host", "changed:password",
    ]  # fmt: skip
    assert client_alice.get("/audit/export.json?from=never").status_code == 404
    assert client_alice.get("/audit/export.xml").status_code == 404


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_right_that_is_taken_ends_the_file_in_the_middle(
    client_alice: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "CHUNK", 3)
    AuditEvent.objects.bulk_create(AuditEvent(action="kept:password") for _ in range(7))
    answer: Any = client_alice.get("/audit/export.json")
    User.objects.filter(pk=alice.pk).update(is_administrator=False)
    with pytest.raises(PermissionError):
        b"".join(answer)
