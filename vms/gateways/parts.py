"""Bytes from an event loop to a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Final

# On their way at a time; each is what a socket gave at once.
MOST: Final = 8


class Parts:
    """Put in by a task of the running loop, taken out by one thread, which waits for the next one."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.room = asyncio.Semaphore(MOST)
        self.queue: SimpleQueue[bytes] = SimpleQueue()

    async def put(self, part: bytes) -> None:
        """Return when there is room for it."""
        if part:
            await self.room.acquire()
            self.queue.put(part)

    def end(self) -> None:
        """Nothing more comes."""
        self.queue.put(b"")

    def __iter__(self) -> Iterator[bytes]:
        while part := self.queue.get():
            self.loop.call_soon_threadsafe(self.room.release)
            yield part
