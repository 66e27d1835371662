"""Many open pages and consoles, without browsers: what they hold open and ask for, as they would."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

Answer = TypeVar("Answer")
VERSION = b"RFB 003.008\n"


class Page:
    """An open page: hears names, and fetches its fragment when one of them is of what it shows."""

    def __init__(self, port: int, cookie: str, fragment: str, shows: Sequence[str]) -> None:
        self.port, self.cookie, self.fragment = port, cookie, fragment
        self.shows = {*shows, "*"}
        self.renewed: list[float] = []
        self.messages = 0

    async def open(self) -> None:
        here = f"127.0.0.1:{self.port}"
        self.socket = await connect(
            f"ws://{here}/ws/live", origin=Origin(f"http://{here}"), additional_headers={"Cookie": self.cookie},
            compression=None,
        )  # fmt: skip
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        await self.fetch()
        self.task = asyncio.create_task(self.listen())

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self.socket:
                self.messages += 1
                if self.shows & set(json.loads(message)["names"]):
                    await self.fetch()
                    self.renewed.append(time.time())

    async def fetch(self) -> None:
        head = f"GET {self.fragment} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\n\r\n"
        self.writer.write(head.encode())
        answer = await self.reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await self.reader.readexactly(int(length.split()[1]))

    async def close(self) -> None:
        self.task.cancel()
        self.writer.close()
        await self.socket.close()


class Console:
    """An open console that has shown something; speaks RFB (RFC 6143)."""

    def __init__(self, port: int, ask: Callable[[], str], address: str) -> None:
        """ask: for a ticket, which is good for seconds only; the path with it. address: from which it comes."""
        self.port, self.ask, self.address = port, ask, address
        self.buffer = b""

    async def open(self) -> None:
        path = await asyncio.to_thread(self.ask)
        self.socket: ClientConnection = await connect(
            f"ws://127.0.0.1:{self.port}{path}", subprotocols=[Subprotocol("binary")], compression=None,
            max_queue=4, local_addr=(self.address, 0),
        )  # fmt: skip
        assert await self.take(12) == VERSION
        await self.socket.send(VERSION)
        [kinds] = await self.take(1)
        assert 1 in await self.take(kinds)
        await self.socket.send(b"\x01")
        assert await self.take(4) == bytes(4)
        await self.socket.send(b"\x01")  # shared
        [name] = struct.unpack(">20xI", await self.take(24))
        await self.take(name)
        await self.socket.send(struct.pack(">BBHHHH", 3, 0, 0, 0, 64, 64))
        assert (await self.take(1))[0] == 0, "a picture"
        self.task = asyncio.create_task(self.read())

    async def take(self, length: int) -> bytes:
        while len(self.buffer) < length:
            piece = await self.socket.recv()
            assert isinstance(piece, bytes)
            self.buffer += piece
        piece, self.buffer = self.buffer[:length], self.buffer[length:]
        return piece

    async def read(self) -> None:
        with suppress(ConnectionClosed):
            async for _ in self.socket:
                pass

    async def close(self) -> None:
        self.task.cancel()
        await self.socket.close()


class Crowd:
    """A loop in a thread of its own, in which they live until close()."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="crowd", daemon=True)
        self.thread.start()
        self.members: list[Page | Console] = []

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def open(self, members: Sequence[Page | Console]) -> None:
        """A few at a time, as they come."""

        async def come() -> None:
            for start in range(0, len(members), 5):
                await asyncio.gather(*(member.open() for member in members[start : start + 5]))

        self.members += members
        self.run(come())

    def close(self) -> None:
        async def go() -> None:
            await asyncio.gather(*(member.close() for member in self.members), return_exceptions=True)

        self.run(go())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
