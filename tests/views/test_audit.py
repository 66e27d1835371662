"""The audit's page: nothing, one row and very many; in words, with filters, for administrators."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from vms.models import AuditEvent, Host, VirtualMachine
from vms.permissions import Actor
from vms.services import audit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def text(client: Client, path: str) -> str:
    answer: Any = client.get(path)
    assert answer.status_code == 200, path
    return str(answer.content.decode())


def test_it_says_when_there_is_nothing(client_alice: Client) -> None:
    assert "Nobody has done anything yet." in text(client_alice, "/audit/")
    assert "Nothing is like that." in text(client_alice, "/audit/?q=x")


def test_a_row_tells_who_did_what_to_what(client_alice: Client, actor: Actor, vm: VirtualMachine, host: Host) -> None:
    audit.record("asked:vm.start", actor=actor, target=vm, operation=7)
    audit.record("edited:host", actor=actor, target=host, **audit.changes({"port": 22}, {"port": 2222}))
    audit.record("failed:sign-in", address="192.0.2.1", times=3)
    page = text(client_alice, "/audit/")
    for words in ("asked for “Start”", "edited the host", "22 → 2222", "failed to sign in", "from 192.0.2.1"):
        assert words in page
    assert 'href="/operations/7/"' in page and f'href="?object=vm%3A{vm.pk}"' in page and 'href="?actor=alice"' in page
    assert page.count("not sealed yet") == 3


def test_filters_stay_in_the_form_in_older_and_in_the_files(client_alice: Client) -> None:
    AuditEvent.objects.bulk_create(AuditEvent(user_name="bob", action="kept:password") for _ in range(60))
    page = text(client_alice, "/audit/?actor=bob&from=2020-01-01&foreign=1")
    last = AuditEvent.objects.order_by("-pk")[49].pk
    assert f'href="?actor=bob&amp;from=2020-01-01&amp;before={last}"' in page
    assert 'href="/audit/export.csv?actor=bob&amp;from=2020-01-01"' in page and 'value="bob"' in page
    older = text(client_alice, f"/audit/?actor=bob&from=2020-01-01&before={last}")
    assert older.count("kept the generated password") == 10 and "Older" not in older


def test_what_is_no_day_is_said(client_alice: Client) -> None:
    audit.record("kept:password")
    page = text(client_alice, "/audit/?to=never")
    assert "“to” is no day and no time." in page and "kept the generated password" not in page


def test_only_who_may_is_led_there(client_alice: Client, client_mallory: Client) -> None:
    assert 'href="/audit/"' in text(client_alice, "/activity/")
    assert 'href="/audit/"' not in text(client_mallory, "/activity/")
    assert client_mallory.get("/audit/").status_code == 403
    assert client_mallory.get("/audit/export.csv").status_code == 403


@pytest.mark.parametrize("number", [0, 1, 1000])
def test_it_asks_the_database_as_often_whatever_is_there(client_alice: Client, actor: Actor, number: int) -> None:
    rows = [AuditEvent(user=actor.user, user_name="alice", action="asked:vm.start") for _ in range(number)]
    AuditEvent.objects.bulk_create(rows)
    text(client_alice, "/audit/")
    with CaptureQueriesContext(connection) as queries:
        text(client_alice, "/audit/?q=start&actor=alice")
    assert len([query for query in queries if "vms_auditevent" in query["sql"]]) == 1
    assert len(queries) <= 7
