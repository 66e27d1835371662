"""The beginning of an image, from which nothing is read that is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vms.errors import RefusedImage

# No disk is larger, in bytes: what says so means something else.
LARGEST: Final = 64 << 40
SECTOR: Final = 512


def check(holds: bool, reason: str = "bad_header") -> None:
    """Nothing, or RefusedImage for that reason."""
    if not holds:
        raise RefusedImage(reason=reason)


@dataclass(frozen=True)
class Head:
    """data: the first bytes of an image that has size bytes altogether."""

    data: bytes
    size: int

    def take(self, at: int, length: int) -> bytes:
        """So many bytes from there; RefusedImage where the beginning does not hold them all."""
        check(at >= 0 and length >= 0 and at + length <= len(self.data))
        return self.data[at : at + length]

    def big(self, at: int, length: int) -> int:
        """The number there, its greatest byte first."""
        return int.from_bytes(self.take(at, length), "big")

    def little(self, at: int, length: int) -> int:
        """The number there, its least byte first."""
        return int.from_bytes(self.take(at, length), "little")
