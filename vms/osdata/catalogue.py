"""Official images that can be fetched: where each is, and where its project publishes the checksum."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Entry:
    """One of them. os: a system's short id. checksum_url: a file that names its checksum, "" where none is published.
    Where the project has an address that is always its latest build, it is that."""

    id: str
    name: str
    os: str
    version: str
    arch: str
    kind: str
    url: str
    checksum_url: str = ""

    @property
    def file_name(self) -> str:
        return urlsplit(self.url).path.rpartition("/")[2]


def load() -> dict[str, Entry]:
    text = Path(__file__).with_name("catalogue.toml").read_text()
    return {values["id"]: Entry(**values) for values in tomllib.loads(text)["image"]}


CATALOGUE: Final = load()
