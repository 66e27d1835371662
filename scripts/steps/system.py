"""Whether this is a system that scripts/run knows how to change."""

from __future__ import annotations

import platform
from pathlib import Path

SUPPORTED = ("12", "13")
NEEDS = "The dashboard needs Debian 12 or 13 on a 64-bit PC (amd64)."


def parse(os_release: str) -> dict[str, str]:
    """The fields of /etc/os-release."""
    pairs = (line.partition("=") for line in os_release.splitlines() if "=" in line and not line.startswith("#"))
    return {name: value.strip("\"'") for name, _, value in pairs}


def complaint(os_release: str, machine: str) -> str:
    """What is wrong with this system, or ""."""
    fields = parse(os_release)
    if fields.get("ID") == "debian" and fields.get("VERSION_ID") in SUPPORTED and machine == "x86_64":
        return ""
    name = fields.get("PRETTY_NAME") or "an unknown system"
    return f"{NEEDS} This is {name} on {machine}. Nothing was changed."


def check() -> str:
    """complaint() about this machine."""
    path = Path("/etc/os-release")
    return complaint(path.read_text() if path.exists() else "", platform.machine())
