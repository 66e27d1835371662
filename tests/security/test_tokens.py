"""An administrator's token that is for looking at VMs, at every address of the API; and work and consoles by tokens."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.grants import grant
from tests.routes import METHODS, World, address, routes
from tests.security.conftest import Ask
from vms import live
from vms.errors import NotAllowed, TicketRefused
from vms.kinds import power
from vms.models import ApiToken, Console, Operation, Role, RolePrivilege, User, VirtualMachine
from vms.operations.claim import check_rights
from vms.permissions import Actor
from vms.services import consoles, operations, tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

TABLE: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parents[1] / "data" / "access.toml").read_text())
# The description of the API is everybody's, and slow to make.
ROUTES = [route for route in routes() if route.startswith("api/v1/") and not route.endswith("openapi.json")]
# What these tell is about whoever asks.
OF_ONESELF = ("/me", "/why", "/sessions")
CHANGES = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def carol(db: None) -> User:
    """May see every VM, and nothing else."""
    role = Role.objects.create(name="onlooker")
    RolePrivilege.objects.create(role=role, name="vm.view")
    user = User.objects.create(username="carol")
    grant(user, "onlooker", everything=True)
    return user


def told(answer: Any) -> tuple[int, str]:
    """The status and what was said, without the time at which it was."""
    text = answer.content.decode()
    return answer.status_code, text.partition('"fresh_at"')[0]


@pytest.mark.parametrize("route", ROUTES)
def test_an_administrators_token_for_looking_only_looks(
    route: str, world: World, alice: User, carol: User, ask: Ask
) -> None:
    row = TABLE[route]
    world.is_in(row.get("state", "running"))
    path = address(route, world.values(route))
    query, send = row.get("query", ""), row.get("send", {})
    known = {"vm": world.vm.pk, "uuid": world.vm.placement.uuid if world.vm.placement else ""}
    path += "?" + query.format(**known) if query else ""
    send = {name: value.format(**known) if isinstance(value, str) else value for name, value in send.items()}
    narrow = {"Authorization": f"Bearer {tokens.create(alice, scopes=['vm.view'])[1]}"}
    reader = {"Authorization": f"Bearer {tokens.create(carol)[1]}"}
    for method in METHODS:
        answer = ask("nobody", method, path, send, headers=narrow)
        assert answer.written == [], method
        if method in CHANGES:
            assert answer.status_code >= 400, method
        if not route.endswith(OF_ONESELF):
            assert told(answer) == told(ask("nobody", method, path, send, headers=reader)), method


def revoke(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())


def expire(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())


def narrow(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(scopes=" viewer vm.agent.view ")


@pytest.mark.parametrize("user", ["alice", "bob"])
@pytest.mark.parametrize(("take", "reason"), [(revoke, "token_ended"), (expire, "token_ended"), (narrow, "right_gone")])
@pytest.mark.parametrize("mode", ["view", "drive"])
def test_a_console_by_a_token_ends_with_it_or_with_its_scope(
    take: Callable[[ApiToken], None], reason: str, mode: str, user: str, alice: User, vm: VirtualMachine
) -> None:
    if user == "bob":
        alice = User.objects.create(username="bob")
        grant(alice, "operator", vm)
    with pytest.raises(NotAllowed):
        consoles.issue(Actor(alice, token=tokens.create(alice, scopes=["viewer"])[0]), vm, mode=mode)
    token, _ = tokens.create(alice, scopes=["operator"])
    console, ticket = consoles.issue(Actor(alice, token=token), vm, mode=mode)
    consoles.redeem(ticket, vm=vm.pk, session_key="", has_origin=False, relay="relay")
    _, late = consoles.issue(Actor(alice, token=token), vm, mode=mode)
    assert consoles.no_longer_allowed(consoles.of_relay("relay")) == {}
    take(token)
    assert consoles.no_longer_allowed(consoles.of_relay("relay")) == {console.pk: reason}
    with pytest.raises(TicketRefused):
        consoles.redeem(late, vm=vm.pk, session_key="", has_origin=False, relay="relay")
    assert Console.objects.filter(opened_at__isnull=False).count() == 1


@pytest.mark.parametrize("take", [revoke, expire, narrow])
def test_work_that_a_token_asked_for_is_not_done_without_its_scope(
    take: Callable[[ApiToken], None], alice: User, vm: VirtualMachine
) -> None:
    looker = Actor(alice, token=tokens.create(alice, scopes=["viewer"])[0])
    with pytest.raises(NotAllowed):
        operations.request(power.PAUSE, vm, actor=looker)
    assert not Operation.objects.exists()
    token, _ = tokens.create(alice, scopes=["vm.power"])
    operation = operations.request(power.PAUSE, vm, actor=Actor(alice, token=token))
    check_rights(operation)
    with pytest.raises(NotAllowed):
        operations.cancel(operation, actor=looker)
    take(token)
    with pytest.raises(NotAllowed):
        check_rights(operation)
    live.connection().flushall()
