"""Putting another definition in the place of a VM's own, for its next start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vms.errors import BadParameters
from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Edited(Params):
    """base: the digest of the public form of what it is put in the place of. asked: that of its own public form, which
    itself is the secret "definition". open_screens: its screens lose the passwords that it does not give them."""

    base: str
    asked: str
    open_screens: bool = False

    def __post_init__(self) -> None:
        if not DIGEST.fullmatch(self.base):
            raise BadParameters(field="base")


@dataclass(frozen=True)
class Returned(Params):
    """number: of the version. base: as above. needs: the privileges that the difference takes."""

    number: int
    base: str
    needs: list  # type: ignore[type-arg]


EDIT = Kind(
    name="vm.edit-xml",
    title=mark("Change its XML"),
    done=mark("changed in its XML"),
    target="vm",
    privileges=("vm.define",),
    params=Edited,
    silence_seconds=60,
    harm=1,
    kept=True,
    secrets=frozenset({"definition"}),
    apart=True,
)

RETURN = Kind(
    name="vm.return",
    title=mark("Return to an earlier definition"),
    done=mark("returned to an earlier definition"),
    target="vm",
    privileges=("vm.xml.view",),
    params=Returned,
    silence_seconds=60,
    harm=1,
    kept=True,
    apart=True,
)

KINDS = (EDIT, RETURN)
