"""Who gets what: every route of the site, every method, three people, against tests/data/access.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.routes import METHODS, address, make_world, routes
from tests.security.conftest import Ask
from vms.models import Host, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

TABLE: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parents[1] / "data" / "access.toml").read_text())
PEOPLE = ("nobody", "mallory", "alice")


def test_every_route_has_its_row_and_every_row_its_route() -> None:
    assert set(routes()) - set(TABLE) == set()
    assert set(TABLE) - set(routes()) == set()


@pytest.mark.parametrize("route", [route for route in routes() if route in TABLE])
def test_everybody_gets_what_the_table_says(route: str, ask: Ask, host: Host, alice: User) -> None:
    row = TABLE[route]
    world = make_world(host, alice, state=row.get("state", "running"))
    path = address(route, world.values(route))
    send = {
        name: value.format(vm=world.vm.pk) if isinstance(value, str) else value
        for name, value in row.get("send", {}).items()
    }
    wrong = []
    for method in METHODS:
        expected = str(row.get(method, row["*"])).split()
        for who, status in zip(PEOPLE, expected, strict=True):
            answer = ask(who, method, path, send)
            if answer.status_code != int(status):
                wrong.append(f"{method} by {who}: {answer.status_code}, not {status}")
            if who != "alice" and b"secret-vm" in answer.content:
                wrong.append(f"{method} tells {who} the VM's name")
            if answer.status_code == 302 and who == "nobody" and not path.startswith("/accounts/"):
                assert answer["Location"].startswith("/accounts/login/?next=")
    assert not wrong, "\n".join(wrong)
