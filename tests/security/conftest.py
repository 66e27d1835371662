"""One browser for nobody, one for a user without rights, one for somebody with a role, one for an administrator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from tests.api.conftest import program, token
from tests.conftest import make_alice, make_host, sign_in
from tests.grants import Thing, grant
from tests.routes import World, make_world
from vms import live
from vms.models import Host, Placement, User

__all__ = ["program", "token"]

Ask = Callable[..., Any]


@dataclass
class Standing:
    """An administrator, and a host with one of everything on it."""

    alice: User
    host: Host
    world: World


@pytest.fixture(scope="module", autouse=True)
def standing(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[Standing | None]:
    """What a module that says WORLD_STANDS finds made, once for all of its tests: to make it costs as much as several
    requests. What a test changes goes with the test, whose own transaction lies in this one."""
    if not getattr(request.module, "WORLD_STANDS", False):
        yield None
        return
    request.getfixturevalue("django_db_setup")
    around: Any = transaction.atomic()
    # As Django's own around its tests, else what may only be outermost would refuse to begin.
    around._from_testcase = True
    with django_db_blocker.unblock():
        around.__enter__()
        alice, host = make_alice(), make_host("secret-host")
        made = Standing(alice, host, make_world(host, alice))
    yield made
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        around.__exit__(None, None, None)


@pytest.fixture
def here(standing: Standing | None, db: None) -> Standing | None:
    """The test's own copy of what stands, heard of a moment ago."""
    if standing:
        now = timezone.now()
        Host.objects.update(heard_at=now)
        Placement.objects.update(read_at=now, state_since=now)
    return deepcopy(standing)


@pytest.fixture
def alice(here: Standing | None, db: None) -> User:
    """Administers everything."""
    return here.alice if here else make_alice()


@pytest.fixture
def host(here: Standing | None, db: None) -> Host:
    return here.host if here else make_host()


@pytest.fixture
def world(here: Standing | None, host: Host, alice: User) -> World:
    return here.world if here else make_world(host, alice)


@pytest.fixture
def carol(db: None) -> User:
    """Has what a request says that she has."""
    return User.objects.create(username="carol")


class Browsers(dict[str, Client]):
    """By who sits there, nobody or one of the people, who signs in when first asked for."""

    def __init__(self, *people: User) -> None:
        super().__init__(nobody=Client())
        self.people = {user.username: user for user in people}

    def __missing__(self, name: str) -> Client:
        self[name] = sign_in(self.people[name])
        return self[name]


@pytest.fixture
def browsers(redis: None, alice: User, mallory: User, carol: User) -> Browsers:
    return Browsers(alice, mallory, carol)


@pytest.fixture
def ask(browsers: Browsers, carol: User) -> Ask:
    """ask(who, method, path, send, held): the answer to a request that leaves nothing behind.

    held: the role that carol has for its time, and on what. browser: another one than that person's.
    """

    def asked(
        who: str, method: str, path: str, send: Mapping[str, str] | None = None,
        held: tuple[str, Thing] | None = None, *,
        browser: Client | None = None, headers: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        client = Client(HTTP_X_REAL_IP="127.0.0.1", raise_request_exception=False, headers=dict(headers or {}))
        for name, cookie in (browser or browsers[who]).cookies.items():
            client.cookies[name] = cookie.value
        live.connection().flushall()  # or the limits of one request would refuse the next
        content, kind = json.dumps(dict(send or {})), "application/json" if path.startswith("/api/") else "text/plain"
        with transaction.atomic():
            if held:
                grant(carol, *held)
            with writes_noted() as written:
                if method == "POST" and not path.startswith("/api/"):
                    answer: Any = client.post(path, dict(send or {}))
                else:
                    answer = client.generic(
                        method, path, "" if method in ("GET", "HEAD") else content, content_type=kind
                    )
            answer.written = written
            transaction.set_rollback(True)
        return answer

    return asked


# What one's own request may leave behind, whatever its answer is.
OWN = ("django_session", "usersessions_usersession")


@contextmanager
def writes_noted() -> Iterator[list[str]]:
    """Every change of a row that is asked of the database meanwhile, but those of one's own session and token."""
    found: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        word, _, rest = sql.partition(" ")
        own = any(f'"{table}"' in rest[:60] for table in OWN) or rest.startswith('"vms_apitoken"')
        if word in ("INSERT", "UPDATE", "DELETE") and not own:
            found.append(f"writes {sql[:60]}")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found
