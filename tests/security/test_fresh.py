"""What equals root, and what gives rights and ways in to others, asks a browser that was left open for the password."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.api.conftest import API, Program, problem
from tests.conftest import sign_in
from vms.errors import NotFresh
from vms.kinds import KINDS
from vms.models import ApiToken, AuditEvent, Grant, Host, Operation, User, VirtualMachine
from vms.operations.claim import check_rights
from vms.permissions import Actor, is_fresh, may, require
from vms.services import failures, grants, host_changes, operations, tokens, users
from vms.services.grants import Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

PASSWORD = "correct horse battery"
CONFIRM = "/accounts/reauthenticate/"
OLD = timedelta(minutes=11)
SECRET = "-----BEGIN PRIVATE KEY----- canary"
HOST = {"transport": "ssh", "name": "kvm2", "address": "192.0.2.8", "private_key": SECRET}


@pytest.fixture
def old(alice: User) -> Client:
    """Her browser, in which she signed in long ago."""
    return sign_in(alice, age=OLD)


def actor(user: User, age: timedelta | None) -> Actor:
    at = None if age is None else timezone.now() - age
    return Actor(user, session_key="k", authenticated_at=at)


def confirm(client: Client, password: str = PASSWORD, to: str = "/hosts/add/") -> Any:
    return client.post(CONFIRM, {"password": password, "next": to})


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (timedelta(), True), (timedelta(minutes=9, seconds=55), True), (timedelta(minutes=10, seconds=5), False),
        (timedelta(minutes=-9), True), (timedelta(minutes=-11), False), (None, False),
    ],
)  # fmt: skip
def test_a_sign_in_is_fresh_for_ten_minutes(alice: User, age: timedelta | None, fresh: bool) -> None:
    assert is_fresh(actor(alice, age)) == fresh


def test_only_what_equals_root_needs_it_and_only_of_sessions(alice: User, mallory: User, vm: VirtualMachine) -> None:
    stale = actor(alice, OLD)
    require(stale, "vm.power", vm)
    assert may(stale, "vm.define", vm) and may(stale, "host.admin")
    for privilege in ("vm.define", "host.admin"):
        with pytest.raises(NotFresh):
            require(stale, privilege)
        require(alice, privilege)
        require(Actor(alice), privilege)


def test_a_worker_does_what_was_asked_for_while_it_was_fresh(alice: User, host: Host) -> None:
    operation = operations.request(KINDS["host.test"], host, actor=actor(alice, timedelta()))
    check_rights(Operation.objects.get(pk=operation.pk))
    operations.cancel(operation, actor=actor(alice, OLD))


def test_ways_in_and_rights_on_much_need_it_and_rights_on_one_vm_do_not(
    alice: User, mallory: User, vm: VirtualMachine, host: Host
) -> None:
    stale = actor(alice, OLD)
    wishes = ({"everything": True}, {"host": host.pk}, {"tag": "red"}, {"name": "web-*"})
    for wish in wishes:
        with pytest.raises(NotFresh):
            grants.give(stale, Wish(role="owner", user="mallory", **wish))
    for ask in (users.invite, users.promote):
        with pytest.raises(NotFresh):
            ask(stale, mallory)
    with pytest.raises(NotFresh):
        users.add(stale, "carol")
    assert not Grant.objects.exists() and not AuditEvent.objects.exists() and User.objects.count() == 2
    grants.give(stale, Wish(role="owner", user="mallory", vm=vm.pk))
    users.disable(stale, mallory)


def test_a_form_is_shown_after_the_password(old: Client) -> None:
    answer = old.get("/hosts/add/?x=1")
    assert answer["Location"] == f"{CONFIRM}?next=%2Fhosts%2Fadd%2F%3Fx%3D1"
    assert 'value="/hosts/add/?x=1"' in old.get(answer["Location"]).content.decode()
    assert confirm(old, to="/hosts/add/?x=1")["Location"] == "/hosts/add/?x=1"
    assert old.get("/hosts/add/?x=1").status_code == 200
    event = AuditEvent.objects.get()
    assert (event.action, event.user_name, event.address) == ("confirmed:session", "alice", "127.0.0.1")


def test_it_leads_nowhere_else(old: Client) -> None:
    assert confirm(old, to="https://evil.example/")["Location"] == "/"


def test_what_is_sent_too_late_is_kept_nowhere_and_can_be_sent_again(old: Client, alice: User) -> None:
    answer = old.post("/hosts/add/", HOST, headers={"Referer": "http://testserver/hosts/add/?from=here"})
    text = answer.content.decode()
    assert answer.status_code == 403 and "load it again" in text
    assert f'href="{CONFIRM}?next=%2Fhosts%2Fadd%2F%3Ffrom%3Dhere"' in text
    stored = str(list(Session.objects.values_list("session_data", flat=True))) + str(dict(old.session))
    assert "canary" not in text + stored and not Host.objects.filter(name="kvm2").exists()
    confirm(old)
    assert old.post("/hosts/add/", {**HOST, "private_key": ""}).status_code == 302
    assert Host.objects.filter(name="kvm2").exists()


def test_a_script_is_told_where_to_go_and_comes_back_to_its_page(old: Client, host: Host) -> None:
    script = {"HX-Request": "true", "Referer": f"http://testserver/hosts/{host.pk}/"}
    for method in ("get", "post"):
        answer = getattr(old, method)(f"/hosts/{host.pk}/remove/", headers=script)
        assert (answer.status_code, answer["HX-Redirect"]) == (403, f"{CONFIRM}?next=%2Fhosts%2F{host.pk}%2F")
    script["Referer"] = "https://evil.example/hosts/1/"
    answer = old.post(f"/hosts/{host.pk}/leave-alone/", headers=script)
    assert answer["HX-Redirect"] == f"{CONFIRM}?next=%2F"
    host.refresh_from_db()
    assert host.removed_at is None and not host.left_alone


def test_the_api_says_it_to_a_session_and_asks_no_token(old: Client, mallory: User, program: Program) -> None:
    wish = {"name": "kvm2", "transport": "ssh", "host": "192.0.2.8"}
    body = problem(old.post(f"{API}/hosts", wish, content_type="application/json"), 403, "not_fresh")
    assert body["params"] == {"minutes": 10} and not Host.objects.exists()
    problem(
        old.patch(f"{API}/users/{mallory.pk}", {"administrator": True}, content_type="application/json"),
        403, "not_fresh",
    )  # fmt: skip
    assert program.post("/hosts", wish).status_code == 201


def test_a_wrong_password_is_counted_and_stopped_like_at_the_door(old: Client, monkeypatch: Any) -> None:
    now = time.time()
    monkeypatch.setattr("vms.services.failures.time", lambda: now)
    for _ in range(5):
        assert "field-error" in confirm(old, "guess").content.decode()
    assert confirm(old).status_code == 200
    assert old.get("/hosts/add/").status_code == 302
    monkeypatch.setattr("vms.services.failures.time", lambda: now + 120)
    failures.write_down()
    event = AuditEvent.objects.get(action="failed:sign-in")
    assert (event.address, event.facts["times"]) == ("127.0.0.1", 6) and event.facts["accounts"] == {"alice": 6}
    assert not AuditEvent.objects.filter(action="confirmed:session").exists()


def test_somebody_elses_password_confirms_nothing(old: Client, mallory: User) -> None:
    mallory.set_password("another long password")
    mallory.save()
    assert confirm(old, "another long password").status_code == 200
    assert old.get("/hosts/add/").status_code == 302


def test_a_session_that_never_saw_a_password_is_asked(alice: User, host: Host) -> None:
    client = sign_in(alice)
    session = client.session
    del session["account_authentication_methods"]
    session.save()
    assert client.get("/hosts/add/")["Location"].startswith(CONFIRM)
    with pytest.raises(NotFresh):
        host_changes.leave_alone(actor(alice, None), host)


def test_signing_in_by_the_door_is_fresh(alice: User) -> None:
    client = Client(HTTP_X_REAL_IP="127.0.0.1")
    client.post("/accounts/login/", {"login": "alice", "password": PASSWORD})
    assert client.get("/hosts/add/").status_code == 200


def test_a_token_is_made_after_the_password_and_read_and_ended_without(old: Client, alice: User) -> None:
    wish = {"name": "backup", "bundle": "viewer", "days": "30"}
    assert CONFIRM in old.post("/account/tokens/", wish).content.decode()
    answer = old.post("/api/v1/tokens", {"name": "backup", "scopes": ["viewer"]}, content_type="application/json")
    problem(answer, 403, "not_fresh")
    assert not ApiToken.objects.exists() and not AuditEvent.objects.exists()
    token, _ = tokens.create(alice)
    assert old.get("/account/tokens/").status_code == 200
    assert old.post(f"/tokens/{token.pk}/revoke/").status_code == 302
    assert ApiToken.objects.get().revoked_at
