"""Parameters travel as JSON and are refused by the field that is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from vms.errors import BadParameters
from vms.kinds import KINDS, MENU, Autostart, Params, keys, power
from vms.kinds.privileges import PRIVILEGES
from vms.models import State


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
        assert set(kind.privileges) <= set(PRIVILEGES), kind.name
        assert kind.states <= set(State.values), kind.name
        assert kind.supersedes <= set(KINDS), kind.name
        # What is not there yet is asked of its host, or of its pool.
        assert kind.name.startswith(f"{kind.target}.") or kind.target in ("host", "pool", "volume"), kind.name


def test_the_menu_is_in_order_of_harm_and_asks_only_where_something_is_lost() -> None:
    assert [kind.verb for kind in MENU] == [
        "start", "restore", "start-paused", "boot-cd", "boot-network", "resume", "pause", "save", "reboot",
        "shutdown", "nmi", "reset", "force-off", "discard-saved", "delete",
    ]  # fmt: skip
    assert [kind.verb for kind in MENU if kind.ask] == ["nmi", "reset", "force-off", "discard-saved", "delete"]


def test_of_two_ways_to_start_a_menu_shows_the_one_that_fits() -> None:
    for state in State.values:
        assert [kind.verb for kind in MENU if kind.verb in ("start", "restore") and state not in kind.hidden] == [
            "restore" if state == "saved" else "start"
        ]


@pytest.mark.parametrize(
    "keys", ["Control+Alt+Delete", "PrintScreen", "Control+Alt+F12", "Alt+PrintScreen+b", "Meta+l", "Shift+F3"]
)
def test_a_combination_is_a_few_keys_held_together(keys: str) -> None:
    assert power.Keys.from_json({"keys": keys}).keys == keys


@pytest.mark.parametrize(
    "keys",
    ["", "+", "a", "Shift+a", "a+b+c", "Control+", "control+c", "Control+Control", "KEY_A", "Control+A", "Control+ä",
     "Control+Alt+Shift+Meta+Delete+F1", "+".join(["F1"] * 5000), "Control+Alt+\x00", "29+56"],
)  # fmt: skip
def test_no_text_can_be_sent_as_keys(keys: str) -> None:
    with pytest.raises(BadParameters) as refused:
        power.Keys.from_json({"keys": keys})
    assert refused.value.params["field"] == "keys"


def test_the_numbers_are_linux_s() -> None:
    header = Path("/usr/include/linux/input-event-codes.h").read_text()
    linux = {name: int(number) for name, number in re.findall(r"#define KEY_(\w+)\s+(\d+)", header)}
    called = {
        "Control": "LEFTCTRL", "Alt": "LEFTALT", "Meta": "LEFTMETA", "Shift": "LEFTSHIFT", "Escape": "ESC",
        "ArrowUp": "UP", "ArrowDown": "DOWN", "ArrowLeft": "LEFT", "ArrowRight": "RIGHT", "PrintScreen": "SYSRQ",
    }  # fmt: skip
    assert {name: linux[called.get(name, name.upper())] for name in keys.NUMBERS} == keys.NUMBERS


@pytest.mark.parametrize("said", [{}, {"enabled": "yes"}, {"enabled": "1"}, {"enabled": ""}])
def test_a_form_says_true_or_false(said: dict[str, str]) -> None:
    assert Autostart.from_form({"enabled": "false", "tab": "overview"}).enabled is False
    with pytest.raises(BadParameters):
        Autostart.from_form(said)
