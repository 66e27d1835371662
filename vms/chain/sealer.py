"""What a worker does twice a second: seal what people did, and tell outside the database how far that is."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Final

from vms.chain import heads, keys
from vms.chain.seals import head, seal_some
from vms.models import AuditEvent

logger = logging.getLogger(__name__)

EVERY: Final = 0.5
# The log, which may leave the machine, has a head a minute while it moves, and a complaint a minute.
TOLD_EVERY: Final = 60.0


class Sealer:
    """One a worker; several get on with each other."""

    def __init__(self, keys_file: Path, heads_file: Path) -> None:
        self.keys_file = keys_file
        self.heads_file = heads_file
        self.seen = (0, "")
        self.told = 0
        self.told_at = self.complained_at = -TOLD_EVERY

    def turn(self) -> None:
        """Seal all that is there. A predecessor that was killed after a seal may not have told its head: the first
        turn does."""
        waits = AuditEvent.objects.filter(seq=None).exists()
        if waits:
            self.seal()
        if waits or not self.seen[0]:
            self.tell()
        if self.seen[0] != self.told and time.monotonic() - self.told_at >= TOLD_EVERY:
            self.told, self.told_at = self.seen[0], time.monotonic()
            logger.info("audit head %s %s", *self.seen)

    def seal(self) -> None:
        try:
            found = keys.load(self.keys_file)
        except keys.KeysUnreadable as problem:
            if time.monotonic() - self.complained_at >= TOLD_EVERY:
                self.complained_at = time.monotonic()
                logger.error("audit rows stay without their seal: %s", problem)
            return
        while seal_some(found):
            self.tell()

    def tell(self) -> None:
        now = head()
        if now[0] and now != self.seen:
            heads.append(self.heads_file, *now)
            self.seen = now
