"""Parameters travel as JSON and are refused by the field that is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from vms.errors import BadParameters
from vms.kinds import KINDS, MENU, Params
from vms.models import State
from vms.permissions import PRIVILEGES


@dataclass(frozen=True)
class Sample(Params):
    name: str
    count: int = 1


def test_they_come_back_as_they_went() -> None:
    assert Sample.from_json(Sample(name="a", count=3).to_json()) == Sample("a", 3)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "a", "colour": "red"}, "colour"),
        ({}, "name"),
        ({"name": 7}, "name"),
        ({"name": "a", "count": True}, "count"),
    ],
)
def test_a_wrong_field_is_named(values: dict[str, object], field: str) -> None:
    with pytest.raises(BadParameters) as refused:
        Sample.from_json(values)
    assert refused.value.params["field"] == field


def test_every_kind_uses_names_that_exist() -> None:
    for kind in KINDS.values():
        assert set(kind.privileges) <= PRIVILEGES, kind.name
        assert kind.states <= set(State.values), kind.name
        assert kind.supersedes <= set(KINDS), kind.name
        assert kind.name.startswith(f"{kind.target}."), kind.name


def test_the_menu_is_in_order_of_harm_and_asks_only_where_something_is_lost() -> None:
    assert [kind.verb for kind in MENU] == ["start", "resume", "pause", "reboot", "shutdown", "reset", "force-off"]
    assert [kind.verb for kind in MENU if kind.ask] == ["reset", "force-off"]
