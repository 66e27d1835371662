"""What libvirt's published schemas say; the host's own verdict decides."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from lxml import etree

from vms.libvirtxml.document import parse

SCHEMAS: Final = Path("/usr/share/libvirt/schemas")
FILES: Final = {"domain": "domain.rng", "network": "network.rng", "pool": "storagepool.rng", "secret": "secret.rng"}


@cache
def schema(name: str) -> etree.RelaxNG | None:
    """The schema for that root element, where this machine has it."""
    path = SCHEMAS / FILES.get(name, "")
    return etree.RelaxNG(etree.parse(path)) if path.is_file() else None


def faults(text: str) -> list[tuple[int, str]] | None:
    """(line, message) of each fault, [] for a valid document, None where there is no schema to ask."""
    root = parse(text)
    rules = schema(str(root.tag))
    if rules is None:
        return None
    rules.validate(root)
    return [(entry.line, entry.message) for entry in rules.error_log]
