"""The last of what a serial line said: who comes late reads it first, who is slow goes on with what is left of it."""

from __future__ import annotations

from typing import Final

MOST: Final = 256 << 10
# How far a place is looked for at which a line of text begins.
LONGEST_LINE: Final = 4096


class Ring:
    """The last bytes of a stream; places are counted from its beginning."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.kept = bytearray()
        self.end = 0

    @property
    def start(self) -> int:
        return self.end - len(self.kept)

    def add(self, data: bytes) -> None:
        self.kept += data
        self.end += len(data)
        del self.kept[: max(0, len(self.kept) - self.most)]

    def first(self) -> int:
        """The place to begin at: where a line begins, if something has gone."""
        if not self.start:
            return 0
        return self.start + self.kept.find(b"\n", 0, LONGEST_LINE) + 1

    def read(self, at: int, most: int) -> bytes:
        """At most so many bytes from that place on."""
        return bytes(self.kept[at - self.start : at - self.start + most])
