"""The operating systems that we know, by the short ids that libosinfo gives them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vms.osdata.iso import Label, read_label

ARCHES: Final = (
    ("x86_64", re.compile(r"(?<![a-z0-9])(x86[_-]64|amd64|x64)(?![a-z0-9])", re.IGNORECASE)),
    ("aarch64", re.compile(r"(?<![a-z0-9])(aarch64|arm64)(?![a-z0-9])", re.IGNORECASE)),
)


@dataclass(frozen=True)
class System:
    """One of them. memory_mib and disk_gib: what it needs at least. media: a beginning that the volume id of its ISO
    has, matched where its own text decides; files: the same of the names of its images."""

    id: str
    name: str
    family: str
    memory_mib: int
    disk_gib: int
    media: str = ""
    files: str = ""


def load() -> dict[str, System]:
    text = Path(__file__).with_name("systems.toml").read_text()
    return {values["id"]: System(**values) for values in tomllib.loads(text)["system"]}


SYSTEMS: Final = load()
MEDIA: Final = [(re.compile(system.media), system.id) for system in SYSTEMS.values() if system.media]
FILES: Final = [(re.compile(system.files, re.IGNORECASE), system.id) for system in SYSTEMS.values() if system.files]


def recognise(label: Label) -> tuple[str, str]:
    """The system that the ISO installs and the architecture that it is for, "" for what its label does not tell."""
    found = next((system for media, system in MEDIA if media.match(label.volume)), "")
    return found, arch_in(label.volume)


def by_file_name(name: str) -> tuple[str, str]:
    """The same by the name of a file, which only says what somebody called it."""
    name = name[:255]
    return next((system for files, system in FILES if files.search(name)), ""), arch_in(name)


def tell(first: bytes, name: str) -> tuple[str, str]:
    """The same by the label of what begins so, and by its file's name for what that does not tell."""
    label = read_label(first)
    by_label, by_name = recognise(label) if label else ("", ""), by_file_name(name)
    return by_label[0] or by_name[0], by_label[1] or by_name[1]


def arch_in(text: str) -> str:
    return next((arch for arch, pattern in ARCHES if pattern.search(text)), "")
