"""Lines of a guest's authorized_keys: by which fingerprint they are known, and what of them is shown."""

from __future__ import annotations

from typing import Final

from vms.services import ssh_keys
from vms.services.host_keys import fingerprint

MOST_SHOWN: Final = 100


def bare(line: str) -> tuple[str, str, str]:
    """Type, key and comment of a line that may begin with options; ("", "", "") for what is none."""
    words = line.split()
    for place, word in enumerate(words[:-1]):
        if word in ssh_keys.TYPES:
            return word, words[place + 1], " ".join(words[place + 2 :])[: ssh_keys.LONGEST_NAME]
    return "", "", ""


def fingerprint_of(line: str) -> str:
    kind, key, _ = bare(line)
    return fingerprint(f"{kind} {key}") if kind else ""


def shown(lines: list[str]) -> list[dict[str, str]]:
    """What is kept of them; lines that are no keys are left out."""
    found = []
    for line in lines:
        kind, _, comment = bare(line)
        if known := fingerprint_of(line):
            found.append({"type": kind, "fingerprint": known, "comment": comment})
    return found[:MOST_SHOWN]
