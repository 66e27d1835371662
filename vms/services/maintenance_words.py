"""What is said of a plan and of each of its VMs."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext

from vms.kinds.words import mark
from vms.models import EvacuatedVm
from vms.services.sentences import operation_state, sentence

CHOICES: Final = {
    "leave": mark("leave it as it is"),
    "shutdown": mark("shut it down; it stays here, off"),
    "offline": mark("shut it down, move it, start it there"),
}
STEPS: Final = {
    "move": mark("moves"),
    "shutdown": mark("is shut down"),
    "start": mark("is started"),
}


def choice_word(choice: str, host: str = "") -> str:
    """host: where it would go."""
    return gettext(CHOICES[choice]) + (f" ({host})" if host and choice == "offline" else "")


def steps_word(steps: list[str] | tuple[str, ...]) -> str:
    return ", ".join(gettext(STEPS[step]) for step in steps)


def why(row: EvacuatedVm) -> str:
    """Why it went no further, "" where nothing kept it."""
    return reason(row.error_code, row.error_params) if row.error_code else ""


def reason(code: str, params: dict[str, Any]) -> str:
    before, _, state = code.partition("operation_")
    return sentence(code, params) if before or not state else operation_state(state)
