"""Every code has a sentence."""

from __future__ import annotations

import pytest

from vms import errors
from vms.kinds import KINDS
from vms.models import OperationState, State
from vms.services import sentences


def leaves(error: type[errors.VmsError]) -> list[type[errors.VmsError]]:
    below = [leaf for child in error.__subclasses__() for leaf in leaves(child)]
    return below or [error]


@pytest.mark.parametrize("leaf", leaves(errors.VmsError), ids=lambda leaf: leaf.code)
def test_every_error_has_a_sentence_of_its_own(leaf: type[errors.VmsError]) -> None:
    said = sentences.sentence(leaf.code, {"name": "web-01"})
    assert leaf.code in sentences.ERRORS
    assert said.endswith(".")
    assert said != sentences.sentence("error")


def test_a_sentence_names_what_the_error_names() -> None:
    params = {"operation": 7, "title": "Shut down", "actor": "alice", "seconds": 125}
    said = sentences.sentence("locked", params)
    assert said == "alice asked for “Shut down” 2 min ago, and it is not done. Wait for it, or cancel it."
    assert "shut off" in sentences.sentence("wrong_state", {"name": "web-01", "state": "shut_off"})


def test_a_missing_parameter_or_an_unknown_code_never_fails() -> None:
    assert "…" in sentences.sentence("network_stopped")
    assert sentences.sentence("of_tomorrow") == sentences.sentence("error")
    assert sentences.happening("of_tomorrow") == "of tomorrow"
    assert sentences.log_line("of_tomorrow") == "of tomorrow"


def test_parameters_are_text_and_no_format() -> None:
    assert "{0.__class__} %s <b>" in sentences.sentence("network_stopped", {"network": "{0.__class__} %s <b>"})


def test_every_state_and_kind_has_words() -> None:
    assert set(State.values) <= set(sentences.STATES)
    assert set(OperationState.values) == set(sentences.OPERATION_STATES)
    assert set(KINDS) == set(sentences.GOING_ON)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min"), (7260, "2 h 1 min"), (12 * 86400 + 14400, "12 d 4 h")],
)
def test_a_duration_shows_its_greatest_units(seconds: int, said: str) -> None:
    assert sentences.duration(seconds) == said
