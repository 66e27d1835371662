"""What lies in a VM's drives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vms.errors import BadParameters
from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

DRIVE: Final = re.compile(r"[a-z]{2,3}[a-z0-9]{0,8}", re.ASCII)


@dataclass(frozen=True)
class Eject(Params):
    """drive: the CD drive's name in the definition: "sda"."""

    drive: str

    def __post_init__(self) -> None:
        if not DRIVE.fullmatch(self.drive):
            raise BadParameters(field="drive")


EJECT = Kind(
    name="vm.eject",
    title=mark("Eject the CD"),
    done=mark("rid of its CD"),
    target="vm",
    privileges=("vm.media",),
    params=Eject,
    silence_seconds=30,
    harm=1,
    kept=True,
)

KINDS = (EJECT,)
