"""The keys of the seals, in a file that only workers and commands read: a line each, the last one seals."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class KeysUnreadable(Exception):
    """There is no usable file of keys; the text says where and what."""


@dataclass(frozen=True)
class Keys:
    """Every key by its name, and the name of the one that seals now; old ones prove what they have sealed."""

    known: Mapping[str, bytes]
    present: str


def make() -> tuple[str, bytes]:
    """A new key under the name that follows from it."""
    key = secrets.token_bytes(32)
    return hashlib.sha256(key).hexdigest()[:8], key


def ensure(path: Path) -> None:
    """Make the file, 0600, with a first key where there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    name, key = make()
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{name} {key.hex()}\n")


def load(path: Path) -> Keys:
    """The keys in the file. Raises KeysUnreadable."""
    try:
        words = [line.split() for line in path.read_text().splitlines()]
        known = {name: bytes.fromhex(key) for name, key in words}
        return Keys(known, words[-1][0])
    except (OSError, ValueError, IndexError) as error:
        raise KeysUnreadable(f"{path}: {error}") from None


def renew(path: Path) -> str:
    """A new key seals from now on; its name. Raises KeysUnreadable."""
    load(path)
    name, key = make()
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{path.read_text()}{name} {key.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return name
