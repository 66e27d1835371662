"""Bytes from an event loop to a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Final

# What is handed over at once, and how many such are on their way: each hand-over wakes the thread and the loop.
ENOUGH: Final = 1 << 20
MOST: Final = 2


class Parts:
    """Put in by a task of the running loop, taken out by one thread, which waits for the next ones."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.room = asyncio.Semaphore(MOST)
        self.queue: SimpleQueue[list[bytes]] = SimpleQueue()
        self.gathered: list[bytes] = []
        self.size = 0

    async def put(self, part: bytes) -> None:
        """Return when there is room for it."""
        if part:
            self.gathered.append(part)
            self.size += len(part)
        if self.size >= ENOUGH:
            await self.room.acquire()
            self.hand_over()

    def hand_over(self) -> None:
        if self.gathered:
            self.queue.put(self.gathered)
            self.gathered, self.size = [], 0

    def end(self) -> None:
        """Nothing more comes."""
        self.hand_over()
        self.queue.put([])

    def __iter__(self) -> Iterator[bytes]:
        """The parts; b"" where none is there yet."""
        while True:
            if self.queue.empty():
                yield b""
            if not (parts := self.queue.get()):
                return
            yield from parts
            self.loop.call_soon_threadsafe(self.room.release)
