"""One browser for nobody, one for a user without rights, one for somebody with a role, one for an administrator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from tests.api.conftest import program, token
from tests.conftest import sign_in
from tests.grants import Thing, grant
from vms import live
from vms.models import User

__all__ = ["program", "token"]

Ask = Callable[..., Any]


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
