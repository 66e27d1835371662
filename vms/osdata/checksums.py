"""Checksums as projects publish them: lines of sha256sum and of BSD's, many files or one, signed around or not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# By their length in hexadecimal digits; what is broken (MD5, SHA-1) proves nothing.
ALGORITHMS: Final = {64: "sha256", 128: "sha512"}
GNU: Final = re.compile(r"\\?([0-9a-fA-F]{64}|[0-9a-fA-F]{128})(?: [ *]|\s+)(\S[^\n]{0,1000})")
BSD: Final = re.compile(r"SHA(?:256|512) \(([^\n]{1,1000})\) = ([0-9a-fA-F]{64}|[0-9a-fA-F]{128})")


@dataclass(frozen=True)
class Checksum:
    """algorithm: as hashlib calls it; digest in lower case."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


def read(text: str) -> Checksum | None:
    """The checksum that the text is, with or without its algorithm in front ("sha256:9f86…"); None where it is none."""
    name, _, digest = text.strip().lower().rpartition(":")
    algorithm = ALGORITHMS.get(len(digest))
    if not algorithm or not re.fullmatch("[0-9a-f]+", digest, re.ASCII) or name not in ("", algorithm):
        return None
    return Checksum(algorithm, digest)


def find(text: str, name: str) -> Checksum | None:
    """The file's checksum in what a project publishes; None where it is not there, or there are several. A text that
    is one checksum and nothing else is that of the one file that it lies beside."""
    if alone := read(text):
        return alone
    found = {digest for line in text.splitlines()[:10_000] if (digest := in_line(line.strip(), name))}
    # SHA-512 beside SHA-256 of the same file is no contradiction.
    best = {digest for digest in found if len(digest) == max(map(len, found))}
    return read(best.pop()) if len(best) == 1 else None


def in_line(line: str, name: str) -> str:
    """The digest that the line gives for the file, "" for none."""
    if bsd := BSD.fullmatch(line):
        return bsd[2].lower() if bsd[1] == name else ""
    gnu = GNU.fullmatch(line)
    return gnu[1].lower() if gnu and gnu[2].removeprefix("./") == name else ""
