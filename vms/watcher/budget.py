"""How often a VM is read again: a noisy guest costs itself, not its neighbours."""

from __future__ import annotations

from typing import Final

# Events of one change come close together and are one reading.
APART: Final = 0.1
# What people do to a VM is read at once; who changes it for longer than that is read once a second.
EVERY: Final = 1.0
BURST: Final = 20


class Budget:
    """A leaky bucket a VM, counted as the moment at which it will be empty (GCRA, ITU-T I.371)."""

    def __init__(self) -> None:
        self.last: dict[str, float] = {}
        self.empty: dict[str, float] = {}
        self.due: dict[str, float] = {}

    def ask(self, uuid: str, now: float) -> None:
        """Something changed: note when it is to be read; asking again before then changes nothing."""
        if uuid not in self.due:
            room = self.empty.get(uuid, now) - (BURST - 1) * EVERY
            self.due[uuid] = max(now, room, self.last.get(uuid, now - APART) + APART)

    def ready(self, now: float) -> list[str]:
        """Those to be read now; they are taken as read."""
        ready = [uuid for uuid, due in self.due.items() if due <= now]
        for uuid in ready:
            self.took(uuid, now)
        return ready

    def took(self, uuid: str, now: float) -> None:
        """It is being read."""
        self.due.pop(uuid, None)
        self.last[uuid] = now
        self.empty[uuid] = max(self.empty.get(uuid, now), now) + EVERY

    def next(self) -> float | None:
        """When the next one is due."""
        return min(self.due.values(), default=None)

    def forget(self, uuids: set[str]) -> None:
        """Drop what is no longer there."""
        for known in (self.last, self.empty, self.due):
            for uuid in uuids:
                known.pop(uuid, None)
