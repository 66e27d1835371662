"""Which answers an operation of the API can give, for its description."""

from __future__ import annotations

from typing import Any

from vms.api.problems import Problem

ALWAYS = (401, 405, 422)


def answers(status: int, model: Any, *problems: int) -> dict[int, Any]:
    """The good answer and the problems: those given, and those that every address can have."""
    return {status: model, **dict.fromkeys(sorted({*ALWAYS, *problems}), Problem)}
