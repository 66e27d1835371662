"""Whatever a person changes has its row in the audit, in the same commit: without the row there is no change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from tests.conftest import sign_in
from tests.operations.conftest import Stage, stage
from vms.kinds import power
from vms.models import ApiToken, AuditEvent, Console, Host, Operation, User, VirtualMachine
from vms.operations.process import WorkerProcess
from vms.permissions import Actor
from vms.services import audit, consoles, first_start, host_changes, operations, own_password, tokens

__all__ = ["stage"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

PASSWORD = "correct horse battery"


def told(start: str = "") -> list[tuple[str, str, str]]:
    """(action, who, from where) of what was told, in its order."""
    events = AuditEvent.objects.filter(action__startswith=start).order_by("pk")
    return list(events.values_list("action", "user_name", "address"))


def enter(client: Client, password: str = PASSWORD) -> int:
    sent = {"login": "alice", "password": password}
    return int(client.post("/accounts/login/", sent, headers={"X-Real-IP": "192.0.2.1"}).status_code)


def test_who_came_and_went_is_told(alice: User) -> None:
    browser = Client()
    assert enter(browser) == 302
    browser.post("/accounts/logout/", headers={"X-Real-IP": "192.0.2.1"})
    assert told() == [("opened:session", "alice", "192.0.2.1"), ("closed:session", "alice", "192.0.2.1")]
    assert not Session.objects.exists()


def test_a_session_that_grew_too_old_is_told_once(alice: User, client_alice: Client) -> None:
    UserSession.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert client_alice.get("/").status_code == 302
    client_alice.get("/")
    assert told() == [("expired:session", "alice", "127.0.0.1")]


def test_ending_ones_other_sessions_is_told(alice: User, client_alice: Client) -> None:
    sign_in(alice)
    client_alice.post("/accounts/sessions/")
    assert told() == [("ended:session", "alice", "127.0.0.1")] and UserSession.objects.count() == 1


def test_a_changed_password_is_told_and_holds_no_password(client_alice: Client) -> None:
    new = "staple 4 horses"
    client_alice.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert told() == [("changed:password", "alice", "127.0.0.1")]
    assert new not in str(AuditEvent.objects.values()) and PASSWORD not in str(AuditEvent.objects.values())


def test_a_console_is_told_from_its_opening_to_its_end(actor: Actor, vm: VirtualMachine) -> None:
    session = Actor(actor.user, token=tokens.create(actor.user)[0], address="192.0.2.1")
    console, ticket = consoles.issue(session, vm)
    consoles.redeem(ticket, vm=vm.pk, session_key="", has_origin=False, relay="r")
    consoles.closed(console.pk, "browser_left")
    consoles.closed(console.pk, "browser_left")
    assert [action for action, *_ in told()] == ["created:token", "asked:console", "opened:console", "closed:console"]
    last = AuditEvent.objects.latest("pk")
    assert (last.user_name, last.address, last.target) == ("alice", "192.0.2.1", f"vm:{vm.pk}")
    assert last.facts == {"console": console.pk, "reason": "browser_left", "seconds": 0}
    assert last.token == session.token.prefix if session.token else False


def test_consoles_of_a_relay_that_died_are_told(actor: Actor, vm: VirtualMachine) -> None:
    for _ in range(2):
        Console.objects.create(user=actor.user, vm=vm, relay="r", opened_at=timezone.now())
    assert consoles.close_stale("r") == 2
    assert [action for action, *_ in told()] == ["closed:console"] * 2


def test_what_became_of_an_operation_is_told(stage: Stage) -> None:
    operation = stage.ask("vm.start")
    WorkerProcess(stage.host.node).take(operation.pk)
    assert told() == [("asked:vm.start", "alice", ""), ("ended:vm.start", "alice", "")]
    assert AuditEvent.objects.latest("pk").facts == {"operation": operation.pk, "state": "succeeded"}


def test_what_took_the_place_of_another_is_told_of_both(actor: Actor, vm: VirtualMachine) -> None:
    first = operations.request(power.SHUTDOWN, vm, actor=actor)
    Operation.objects.update(state="waiting")
    first.locks.all().delete()
    operations.request(power.FORCE_OFF, vm, actor=actor)
    assert [action for action, *_ in told()] == ["asked:vm.shutdown", "ended:vm.shutdown", "asked:vm.force-off"]
    assert AuditEvent.objects.get(action="ended:vm.shutdown").facts["state"] == "superseded"


def test_a_failure_that_is_read_is_told_once(actor: Actor, vm: VirtualMachine) -> None:
    operation = operations.request(power.SHUTDOWN, vm, actor=actor)
    operations.mark_read(operation, actor=actor)
    operations.mark_read(operation, actor=actor)
    assert [action for action, *_ in told("read:")] == ["read:vm.shutdown"]


def test_the_first_start_tells_what_it_makes(tmp_path: Path) -> None:
    first_start.ensure_administrator("", tmp_path / "password")
    first_start.ensure_host("node", "", "machine")
    first_start.ensure_host("node", "", "machine")
    assert [action for action, *_ in told()] == ["made:administrator", "added:host"]


def test_tokens_of_the_command_line_are_told(alice: User) -> None:
    call_command("create_token", "alice")
    call_command("revoke_token", "alice", ApiToken.objects.get().prefix)
    assert [(action, address) for action, _, address in told()] == [
        ("created:token", "manage.py"), ("revoked:token", "manage.py"),
    ]  # fmt: skip


SSH = {"name": "kvm2", "transport": "ssh", "address": "kvm2.example.org"}


def opened(actor: Actor, vm: VirtualMachine) -> Console:
    return Console.objects.create(user=actor.user, vm=vm, relay="r", opened_at=timezone.now())


CHANGES: dict[str, Callable[[Actor, VirtualMachine, Host], Any]] = {
    "operation": lambda actor, vm, host: operations.request(power.PAUSE, vm, actor=actor),
    "console": lambda actor, vm, host: consoles.issue(actor, vm),
    "closed": lambda actor, vm, host: consoles.closed(Console.objects.get().pk, "browser_left"),
    "host": lambda actor, vm, host: host_changes.add(actor, SSH),
    "edited": lambda actor, vm, host: host_changes.edit(actor, host, {"name": "another"}),
    "alone": lambda actor, vm, host: host_changes.leave_alone(actor, host),
    "removed": lambda actor, vm, host: host_changes.remove(actor, host),
    "token": lambda actor, vm, host: tokens.create(actor.user),
    "revoked": lambda actor, vm, host: tokens.revoke(actor.user, "x"),
    "kept": lambda actor, vm, host: own_password.keep(actor),
    "new password": lambda actor, vm, host: first_start.renew_password(settings.STATE.web / "unused-password"),
    "sign-in": lambda actor, vm, host: enter(Client()),
}


def rows() -> dict[str, list[dict[str, Any]]]:
    tables: tuple[Any, ...] = (User, ApiToken, Operation, Console, Host, AuditEvent)
    return {table.__name__: list(table.objects.order_by("pk").values()) for table in tables}


def breaks(*args: Any, **kwargs: Any) -> None:
    raise OSError("the audit cannot be written")


@pytest.mark.parametrize("change", CHANGES)
def test_without_its_row_there_is_no_change(
    change: str, actor: Actor, vm: VirtualMachine, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(actor, vm)
    before = rows()
    monkeypatch.setattr(audit, "record", breaks)
    with pytest.raises(OSError):
        CHANGES[change](actor, vm, host)
    assert rows() == before


def test_without_its_row_nobody_is_signed_out_and_no_password_is_changed(
    alice: User, client_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "record", breaks)
    new = "staple 4 horses"
    with pytest.raises(OSError):
        client_alice.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    with pytest.raises(OSError):
        client_alice.post("/accounts/logout/")
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD) and Session.objects.count() == 1
