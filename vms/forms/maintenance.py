"""What is approved of a plan: its digest, how many move at a time, and a choice for each VM that it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vms.errors import BadFields
from vms.kinds import whole_number
from vms.services.maintenance import USUAL, check_parallel

PREFIX: Final = "choice-"


@dataclass(frozen=True)
class Approval:
    digest: str
    parallel: int
    choices: dict[int, str]


def read(sent: Mapping[str, str]) -> Approval:
    """Raises BadFields."""
    choices = {}
    for name, text in sent.items():
        if name.startswith(PREFIX):
            vm = whole_number(name.removeprefix(PREFIX))
            if vm is None:
                raise BadFields({"choices": "choice"})
            choices[vm] = text
    return Approval(sent.get("plan", "")[:64], read_parallel(sent), choices)


def read_parallel(sent: Mapping[str, str]) -> int:
    """How many at a time. Raises BadFields."""
    return check_parallel(whole_number(sent["parallel"]) or 0) if "parallel" in sent else USUAL
