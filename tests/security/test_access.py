"""Who gets what: every route, every method, every role here and at the neighbour's, against tests/data/access.toml."""

from __future__ import annotations

import tomllib
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.api.conftest import API
from tests.conftest import make_vm, sign_in
from tests.grants import Thing
from tests.routes import METHODS, World, address, make_template, put_in_trash, routes
from tests.security.conftest import Ask
from vms.models import ApiToken, Host, Network, StoragePool, User, VirtualMachine
from vms.permissions import ask as questions
from vms.permissions import telling, visible
from vms.permissions.who import account
from vms.services import tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
WORLD_STANDS = True

TABLE: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parents[1] / "data" / "access.toml").read_text())
ROUTES = [route for route in routes() if route in TABLE]
ROLES = ("viewer", "operator", "editor", "owner")
CONFIRM = "/accounts/reauthenticate/"
LADDER = (*ROLES, "administrator")


class Walk:
    """One route in its world: what each person is to get there, and what each gets."""

    def __init__(self, route: str, world: World, alice: User, ask: Ask) -> None:
        self.route, self.row, self.ask, self.world = route, TABLE[route], ask, world
        host = world.host
        Host.objects.filter(pk=host.pk).update(transport=self.row.get("transport", "local"))
        host.refresh_from_db()
        world.is_in(self.row.get("state", "running"))
        if route.removeprefix("api/v1/").startswith("trash/"):
            put_in_trash(self.world.vm, alice)
        if "/gone/<" in route:
            VirtualMachine.objects.filter(pk=self.world.vm.pk).update(deleted_at=timezone.now(), trashed_at=None)
        if route.removeprefix("api/v1/").startswith("templates/<int:"):
            make_template(self.world.vm, alice)
        self.of_host = route.removeprefix("api/v1/").startswith("hosts")
        self.path = address(route, self.world.values(route))
        self.path += "?" + self.filled(self.row["query"]) if "query" in self.row else ""
        self.send = {name: self.filled(value) for name, value in self.row.get("send", {}).items()}
        other = Host.objects.create(name="next-door", node="node-a", libvirt_uuid=uuid.UUID(int=0xB))
        self.here: Thing = host if self.of_host else self.world.vm
        self.next_door: Thing = other if self.of_host else make_vm(host, "neighbour")
        if route.removeprefix("api/v1/").startswith("pools/<int:"):
            self.here = self.world.pool
            self.next_door = StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name="neighbour")

        if route.removeprefix("api/v1/").startswith("networks/<int:"):
            self.here = self.world.network
            self.next_door = Network.objects.create(host=host, uuid=uuid.uuid4(), name="neighbour")

    def filled(self, value: Any) -> Any:
        """The value of the table with the VM's number in its place, the user's and the host's."""
        if isinstance(value, list):
            return [self.filled(each) for each in value]
        known = self.world.vm.placement.uuid if self.world.vm.placement else ""
        values = {"uuid": known, "vm": self.world.vm.pk, "user": self.world.user.pk, "host": self.world.host.pk}
        return value.format(**values) if isinstance(value, str) else value

    def of_pool(self, role: str, *, here: bool) -> bool:
        """Whether who has the role uses a pool or a network, which says where it is."""
        return isinstance(self.here, StoragePool | Network) and here and role in LADDER[1:]

    def statuses(self, method: str) -> list[int]:
        """Of nobody, of a user without any right, and of an administrator."""
        return [int(status) for status in str(self.row.get(method, self.row["*"])).split()]

    def told_apart(self) -> list[str]:
        """The methods whose answer depends on rights; HEAD is asked like GET."""
        return [name for name in METHODS if name != "HEAD" and len(set(self.statuses(name)[1:])) > 1]

    def lowest(self, method: str) -> str:
        """The first role that may."""
        lowest = self.row["from"]
        return str(lowest[method] if isinstance(lowest, dict) else lowest)

    def expected(self, method: str, role: str) -> int:
        """Of who has the role here."""
        if LADDER.index(role) < LADDER.index(self.row.get("sees", "viewer")):
            return self.statuses(method)[1]
        may = LADDER.index(role) >= LADDER.index(self.lowest(method))
        return self.statuses(method)[2] if may else int(self.row.get("refused", 403))

    def get(self, who: str, method: str, role: str = "", *, here: bool = True) -> tuple[int, list[str]]:
        """The status, and all that is wrong with the answer but that."""
        held = (role, self.here if here else self.next_door) if role else None
        answer = self.ask(who, method, self.path, self.send, held)
        wrong = []
        sees_vm = who == "alice" or (role and here)
        # A file that is made while it is sent is made for administrators alone.
        content = b"" if answer.streaming else answer.content
        if b"secret-vm" in content and not sees_vm:
            wrong.append("tells the VM's name")
        if b"secret-host" in content and not (
            who == "alice" or (sees_vm and self.of_host) or self.of_pool(role, here=here)
        ):
            wrong.append("tells the host's name")
        return answer.status_code, wrong + answer.written

    def verdict(self, who: str, method: str, expected: int, role: str = "", *, here: bool = True) -> list[str]:
        """What is wrong, in words; a refusal must leave nothing behind."""
        status, wrong = self.get(who, method, role, here=here)
        allowed = who == "alice" or (role and here and LADDER.index(role) >= LADDER.index(self.lowest(method)))
        wrong = [line for line in wrong if line.startswith("tells") or not allowed]
        wrong += [f"{status}, not {expected}"] if status != expected else []
        whom = f"{role} {'here' if here else 'next door'}" if role else who
        return [f"{method} by {whom}: {line}" for line in wrong]


@pytest.fixture
def walk(world: World, alice: User, ask: Ask) -> Any:
    return lambda route: Walk(route, world, alice, ask)


def test_every_route_has_its_row_and_every_row_its_route() -> None:
    assert set(routes()) - set(TABLE) == set()
    assert set(TABLE) - set(routes()) == set()


@pytest.mark.parametrize("route", ROUTES)
def test_everybody_gets_what_the_table_says(route: str, walk: Any) -> None:
    there: Walk = walk(route)
    wrong = []
    for method in METHODS:
        for who, expected in zip(("nobody", "mallory", "alice"), there.statuses(method), strict=True):
            status, more = there.get(who, method)
            if status != expected:
                wrong.append(f"{method} by {who}: {status}, not {expected}")
            wrong += [f"{method} {line} to {who}" for line in more if line.startswith("tells")]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", ROUTES)
def test_every_role_gets_what_it_means_here_and_nothing_next_door(route: str, walk: Any) -> None:
    there: Walk = walk(route)
    wrong = []
    for method in there.told_apart():
        nothing = there.statuses(method)[1]
        wrong += there.verdict("mallory", method, nothing)
        for role in ROLES:
            wrong += there.verdict("carol", method, there.expected(method, role), role)
            wrong += there.verdict("carol", method, nothing, role, here=False)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", ROUTES)
def test_who_is_switched_off_and_what_was_revoked_is_nobody(route: str, walk: Any, client: Client) -> None:
    there: Walk = walk(route)
    off = User.objects.create(username="off", is_administrator=True)
    _, text = tokens.create(off)
    browser = sign_in(off)
    User.objects.filter(pk=off.pk).update(is_active=False)
    revoked = User.objects.create(username="revoked", is_administrator=True)
    taken, taken_text = tokens.create(revoked)
    ApiToken.objects.filter(pk=taken.pk).update(revoked_at=taken.created_at)
    wrong = []
    for method in there.told_apart():
        answers = [there.ask("off", method, there.path, there.send, browser=browser)]
        if there.path.startswith(API):
            for good in (text, taken_text):
                headers = {"Authorization": f"Bearer {good}"}
                answers.append(there.ask("nobody", method, there.path, there.send, headers=headers))
        statuses = [answer.status_code for answer in answers]
        wrong += [f"{method}: {statuses}"] if set(statuses) != {there.statuses(method)[0]} else []
        wrong += [line for answer in answers for line in answer.written]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", ROUTES)
def test_an_old_sign_in_is_asked_for_its_password_where_the_table_says_so_and_nowhere_else(
    route: str, walk: Any, alice: User
) -> None:
    there: Walk = walk(route)
    old = sign_in(alice, age=timedelta(minutes=11))
    wrong = []
    asking = there.row.get("fresh", [])
    for method in dict.fromkeys([*there.told_apart(), *asking]):
        asked = method in asking
        answer = there.ask("alice", method, there.path, there.send, browser=old)
        confirms = b'"not_fresh"' in answer.content if there.path.startswith(API) else confirmed_at(answer)
        expected = (302 if method == "GET" else 403) if asked else there.statuses(method)[2]
        if answer.status_code != expected or confirms != asked or (asked and answer.written):
            wrong.append(f"{method}: {answer.status_code}, not {expected}; asked {confirms}; {answer.written}")
    assert not wrong, "\n".join(wrong)


def confirmed_at(answer: Any) -> bool:
    """Whether the answer leads to the page that asks for the password."""
    shown = b"" if answer.streaming else answer.content
    return CONFIRM in answer.headers.get("Location", "") or f'href="{CONFIRM}?next='.encode() in shown


def say(monkeypatch: pytest.MonkeyPatch, *, yes: bool) -> None:
    """Have the permissions answer the same to every question about somebody who is signed in."""
    for module in (questions, telling, visible):
        monkeypatch.setattr(module, "is_administrator", lambda who, *privileges: yes and account(who) is not None)
        if not yes:
            monkeypatch.setattr(module, "account", lambda who: None)


@pytest.mark.long
@pytest.mark.parametrize("route", ROUTES)
def test_every_refusal_is_one_of_rights(route: str, walk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With permissions that say yes to all, each refusal that the table expects fails the test above."""
    there: Walk = walk(route)
    say(monkeypatch, yes=True)
    for method in there.told_apart():
        nothing = there.statuses(method)[1]
        assert there.verdict("mallory", method, nothing), f"{method} by mallory"
        assert there.verdict("carol", method, nothing, "owner", here=False), f"{method} by an owner next door"
        below = LADDER.index(there.lowest(method)) - 1
        if below >= 0:
            role = LADDER[below]
            assert there.verdict("carol", method, there.expected(method, role), role), f"{method} by {role}"


@pytest.mark.long
@pytest.mark.parametrize("route", ROUTES)
def test_every_success_is_one_of_rights(route: str, walk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With permissions that say no to all, each success that the table expects fails the test above."""
    there: Walk = walk(route)
    say(monkeypatch, yes=False)
    for method in there.told_apart():
        good = there.statuses(method)[2]
        assert there.verdict("alice", method, good), f"{method} by alice"
        if there.lowest(method) != "administrator":
            role = there.lowest(method)
            assert there.verdict("carol", method, good, role), f"{method} by {role}"
