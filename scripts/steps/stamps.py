"""What is already done: a file that holds the hash of what a step was done with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stamp:
    """Set as the last act of a step, so that a killed step counts as not done; sources may be files or folders."""

    path: Path
    sources: Sequence[Path]
    more: str = ""

    def digest(self) -> str:
        together = hashlib.sha256(self.more.encode())
        for source in self.sources:
            files = sorted(source.rglob("*")) if source.is_dir() else [source]
            for file in files:
                if file.is_file():
                    together.update(str(file).encode() + b"\0" + file.read_bytes() + b"\0")
        return together.hexdigest()

    def fits(self) -> bool:
        return self.path.exists() and self.path.read_text() == self.digest()

    def set(self) -> None:
        self.path.write_text(self.digest())
