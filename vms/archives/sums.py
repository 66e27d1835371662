"""The list of checksums in an OVA (DSP0243, 5.1): a line a file."""

from __future__ import annotations

import re
from typing import Any, Final

from vms.errors import RefusedArchive

LINE: Final = re.compile(r"(SHA1|SHA256|SHA512) ?\((?P<name>[^()/\\]{1,200})\) ?= ?(?P<digest>[0-9a-fA-F]{40,128})")
LENGTHS: Final = {"SHA1": 40, "SHA256": 64, "SHA512": 128}

Sum = tuple[str, str]


def read_sums(data: bytes) -> dict[str, Sum]:
    """{name: (algorithm as hashlib calls it, digest)}. Raises RefusedArchive: sums."""
    found: dict[str, Sum] = {}
    for line in data.decode("ascii", "replace").splitlines():
        if not line.strip():
            continue
        told: Any = LINE.fullmatch(line.strip())
        if not told or len(told["digest"]) != LENGTHS[told[1]] or told["name"] in found:
            raise RefusedArchive(reason="sums")
        found[told["name"]] = (told[1].lower(), told["digest"].lower())
    return found
