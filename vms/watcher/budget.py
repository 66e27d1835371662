"""How often a VM is read again: a noisy guest costs itself, not its neighbours."""

from __future__ import annotations

from typing import Final

SHORTEST: Final = 0.5
LONGEST: Final = 8.0


class Budget:
    """At once after a rest, else at most twice a second, ever less often while it goes on, down to every 8 s."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[float, float]] = {}
        self.due: dict[str, float] = {}

    def ask(self, uuid: str, now: float) -> None:
        """Something changed: note when it is to be read; asking again before then changes nothing."""
        if uuid in self.due:
            return
        read_at, pause = self.last.get(uuid, (now - LONGEST, SHORTEST))
        self.due[uuid] = max(now, read_at + pause)

    def ready(self, now: float) -> list[str]:
        """Those to be read now; they are taken as read."""
        ready = [uuid for uuid, due in self.due.items() if due <= now]
        for uuid in ready:
            self.took(uuid, now)
        return ready

    def took(self, uuid: str, now: float) -> None:
        """It is being read: the pause doubles when the last reading is only a pause ago, and shrinks after rest."""
        self.due.pop(uuid, None)
        read_at, pause = self.last.get(uuid, (now - 2 * LONGEST, SHORTEST))
        rested = now - read_at > 2 * pause
        self.last[uuid] = (now, SHORTEST if rested else min(pause * 2, LONGEST))

    def next(self) -> float | None:
        """When the next one is due."""
        return min(self.due.values(), default=None)

    def forget(self, uuids: set[str]) -> None:
        """Drop what is no longer there."""
        for uuid in uuids:
            self.last.pop(uuid, None)
            self.due.pop(uuid, None)
