"""Volumes as files: straight from the host's stream, in parts where a client goes on with what it has."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.http import Http404

from vms import headers
from vms.errors import HostUnreachable, NotAllowed, VirtError, VmsError
from vms.gateways.answers import Send, answer, attachment, begin, refuse
from vms.gateways.transfers import Transfers, Way, go_on, this_task
from vms.models import Volume
from vms.operations.volumes import require_same
from vms.permissions import Actor, get_volume_or_404
from vms.services import downloads
from vms.services.operations import pool_of, refuse_silent
from vms.services.uploads import require_good
from vms.virt import Connection, HostSpec, open_connection
from vms.virt import Volume as There

logger = logging.getLogger(__name__)
RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


class NoSuchPart(Exception):
    """The volume has no such bytes."""


@dataclass(frozen=True)
class Part:
    begin: int
    end: int  # the first byte that is not in it
    whole: bool

    @property
    def size(self) -> int:
        return self.end - self.begin


def part(asked: str, size: int) -> Part:
    """The part that a Range header asks for; what it says in a way that we do not read is all. Raises NoSuchPart."""
    match = RANGE.fullmatch(asked.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return Part(0, size, whole=True)
    if not match[1]:
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
    if first >= size or last < first:
        raise NoSuchPart
    return Part(first, last + 1, whole=False)


class Reader:
    """What reads one volume now; in one thread at a time, except cut_when_silent()."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.connection: Connection | None = None
        self.there: There | None = None
        self.blocks: Iterator[bytes] = iter(())
        self.size = 0
        self.since = time.monotonic()
        self.waits = False

    def open(self) -> None:
        """Look at its beginning as it is now: what a guest wrote there may make it another thing than its rows say.

        Raises RefusedImage, VolumeFound, VolumeSwapped, NoPool, HostSilent, VirtError.
        """
        pool = pool_of(self.volume)
        refuse_silent(pool.host)
        self.waits = True
        self.connection = open_connection(HostSpec(**pool.host.spec_fields()))
        self.there = self.connection.volume(str(pool.uuid), self.volume.name)
        facts = self.there.facts()
        require_same(self.volume, facts)
        self.size = facts.physical
        if self.size:
            first = b"".join(self.there.blocks(0, min(headers.ENOUGH, self.size)))
            headers.require(first, self.volume.format, size=self.size)
        self.waits = False

    def go_to(self, part: Part) -> None:
        if self.there is None:
            raise HostUnreachable
        self.blocks = self.there.blocks(part.begin, part.size)

    def read(self) -> bytes:
        """The next bytes, b"" after the last."""
        self.since, self.waits = time.monotonic(), True
        try:
            return next(self.blocks, b"")
        finally:
            self.waits = False

    def cut_when_silent(self, seconds: float) -> None:
        """Free the thread that waits for a host which has not moved for so long."""
        if self.waits and self.connection and time.monotonic() - self.since > seconds:
            self.connection.cut()

    def close(self) -> None:
        if self.connection:
            self.connection.close()


class Downloads:
    """The requests for volumes."""

    def __init__(self, transfers: Transfers) -> None:
        self.transfers = transfers

    async def run(self, call: Callable[..., Any], *args: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.transfers.threads, partial(self.transfers.run, call, *args))

    async def get(self, pk: int, actor: Actor, said: dict[str, str], send: Send, *, head: bool) -> None:
        """The volume or a part of it; with head what would come."""
        loop = asyncio.get_running_loop()
        key = ("download", object())
        way = Way(
            user=actor.user.pk, check=partial(check, actor, pk),
            wake=this_task(),
        )  # fmt: skip
        reader: Reader | None = None
        begun = False
        try:
            self.transfers.enter(key, way)
            volume = await self.run(downloads.find, actor, pk)
            reader = way.carrier = Reader(volume)
            await asyncio.shield(loop.run_in_executor(self.transfers.threads, self.transfers.run, reader.open))
            tag = f'"{volume.pk}-{reader.size}-{volume.sha256[:16] or stamp(volume)}"'
            whole = "if-range" in said and said["if-range"] != tag
            wanted = part("" if whole else said.get("range", ""), reader.size)
            facts = {
                "Content-Type": "application/octet-stream", "Content-Disposition": attachment(filename(volume)),
                "Content-Length": str(wanted.size), "Accept-Ranges": "bytes", "ETag": tag,
            }  # fmt: skip
            if not wanted.whole:
                facts["Content-Range"] = f"bytes {wanted.begin}-{wanted.end - 1}/{reader.size}"
            if not head:
                await self.run(downloads.tell, actor, volume, reader.size, wanted.begin)
                await self.run(reader.go_to, wanted)
            begun = True
            await begin(send, 200 if wanted.whole else 206, facts)
            if not head:
                await self.carry(reader, send)
            await send({"type": "http.response.body", "body": b""})
        except NoSuchPart:
            size = reader.size if reader else 0
            await answer(send, 416, {"Content-Range": f"bytes */{size}"})
        except Http404:
            await answer(send, 404)
        except asyncio.CancelledError:
            if not way.reason:
                raise
            go_on()
            if not begun:
                await refuse(send, NotAllowed(privilege="vm.copy"))
            # Else the connection ends before the last byte, which a client sees.
        except VmsError as error:
            logger.warning("volume %s is not handed out: %s %s", pk, error.code, error.details)
            if not begun:
                await refuse(send, error)
        finally:
            self.transfers.leave(key, way)
            if reader:
                await self.run(reader.close)

    async def carry(self, reader: Reader, send: Send) -> None:
        """One block is read while the one before goes out."""
        loop = asyncio.get_running_loop()

        def next_block() -> asyncio.Future[bytes]:
            return loop.run_in_executor(self.transfers.threads, reader.read)

        pending: asyncio.Future[bytes] | None = next_block()
        try:
            while pending is not None and (block := await asyncio.shield(pending)):
                pending = next_block()
                await send({"type": "http.response.body", "body": block, "more_body": True})
        finally:
            if pending is not None:
                with suppress(VirtError):
                    await pending


def check(actor: Actor, pk: int) -> None:
    """Nothing, or NotAllowed: he may go on."""
    require_good(actor)
    try:
        get_volume_or_404(actor, pk, to="copy")
    except (Http404, NotAllowed):
        raise NotAllowed(privilege="vm.copy") from None


def stamp(volume: Volume) -> str:
    return str(int(volume.changed_at.timestamp())) if volume.changed_at else "0"


def filename(volume: Volume) -> str:
    """What it is called where it arrives: a name whose ending says what it is."""
    return volume.name if "." in volume.name else f"{volume.name}.{volume.format or 'img'}"
