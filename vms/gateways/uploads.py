"""tus: HEAD tells how far a file is, PATCH goes on with it, DELETE ends it.

What comes is given to the host at once; no more of a file is in memory than its beginning, which is judged before.
Whatever becomes of the sender, what has come is written to its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from email.utils import format_datetime
from functools import partial
from typing import Any, Final

from vms.errors import (
    NameTaken,
    NotAllowed,
    OperationLost,
    OverQuota,
    RefusedImage,
    UploadOver,
    UploadStrange,
    VirtError,
    VmsError,
)
from vms.gateways import tus
from vms.gateways.answers import Receive, Send, answer, refuse
from vms.gateways.parts import Parts
from vms.gateways.transfers import NOT_NOW, Transfers, Way, go_on, this_task
from vms.kinds.uploads import UPLOAD
from vms.models import Upload
from vms.operations import uploads as work
from vms.permissions import Actor
from vms.services import operations

logger = logging.getLogger(__name__)

# How long who comes after waits for a host to give the piece before back.
FORMER: Final = 30.0


class Left(Exception):
    """The sender has gone in the middle."""


def state(upload: Upload) -> dict[str, str]:
    """How far it is, as tus says it."""
    return {
        **tus.RESUMABLE, "Upload-Offset": str(upload.offset_bytes), "Upload-Length": str(upload.size_bytes),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
    }  # fmt: skip


class Uploads:
    """The requests for one upload's address."""

    def __init__(self, transfers: Transfers) -> None:
        self.transfers = transfers

    async def run(self, call: Callable[..., Any], *args: Any) -> Any:
        """The call in a thread, which goes on where who waits for it is told to end."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.transfers.threads, partial(self.transfers.run, call, *args))

    async def head(self, upload: Upload, send: Send) -> None:
        """Who asks how far it is will go on from there: what was on its way before him ends."""
        key = ("upload", upload.pk)
        if not await self.run(self.transfers.end_former, key, FORMER):
            return await refuse(send, UploadOver(reason="held"), tus.RESUMABLE)
        now = await self.run(work.read, upload.pk)
        # A client that has sent the last byte and lost the answer learns that all came.
        if not now.operation.is_open and now.operation.state != "succeeded":
            return await refuse(send, UploadOver(reason=now.operation.state), tus.RESUMABLE)
        await answer(send, 200, state(now))

    async def delete(self, upload: Upload, actor: Actor, send: Send) -> None:
        """Ask for its end; its room is given back within a moment."""
        try:
            await self.run(partial(operations.cancel, upload.operation, actor=actor))
        except VmsError as error:
            return await refuse(send, error, tus.RESUMABLE)
        self.transfers.woken.set()
        await answer(send, 204, tus.RESUMABLE)

    async def patch(self, upload: Upload, actor: Actor, said: dict[str, str], receive: Receive, send: Send) -> None:
        """Take what comes, and say how far it is then."""
        key = ("upload", upload.pk)
        way = Way(
            user=actor.user.pk,
            check=partial(work.check_allowed, upload.operation),
            wake=this_task(),
        )
        entered = False
        error: VmsError | None = None
        try:
            patch = tus.read_patch(said)
            if not await self.run(self.transfers.end_former, key, FORMER):
                raise UploadOver(reason="held")
            self.transfers.enter(key, way)
            entered = True
            writer = await self.run(self.begin, upload, patch)
            way.carrier = writer
            await self.carry(writer, patch, receive)
        except Left:
            logger.info("upload %s: its sender has gone", upload.pk)
        except asyncio.CancelledError:
            if not way.reason:
                raise
            go_on()
            if way.reason == "right_gone":
                error = NotAllowed(privilege=UPLOAD.privileges[0])
            elif way.reason != "whole":
                error = UploadOver(reason=way.reason)
        except OperationLost:
            error = UploadOver(reason="ended")
        except VmsError as refused:
            error = refused
            await self.run(self.end_if_hopeless, upload, refused)
        finally:
            if entered:
                self.transfers.leave(key, way)
        if error is not None:
            return await refuse(send, error, {**tus.RESUMABLE, "Connection": "close"})
        now = await self.run(work.read, upload.pk)
        with suppress(OSError):
            await answer(send, 204, state(now))

    def begin(self, upload: Upload, patch: tus.Patch) -> work.Writer:
        """The writer from there on. Raises UploadOver, UploadStrange, NotAllowed."""
        work.check_allowed(upload.operation)
        mine = work.take(upload, self.transfers.worker)
        if mine.operation.state != "running":
            raise UploadOver(reason=mine.operation.state)
        if patch.offset != mine.offset_bytes:
            raise UploadStrange(reason="offset")
        if patch.length is not None and patch.length > mine.size_bytes - mine.offset_bytes:
            raise UploadStrange(reason="length")
        return work.Writer(mine, self.transfers.worker)

    async def carry(self, writer: work.Writer, patch: tus.Patch, receive: Receive) -> None:
        """From the sender to the host until one of them ends. Raises Left after what had come is written."""
        parts = Parts()
        written = asyncio.ensure_future(self.run(partial(writer.write, parts, note=patch.sum is None)))
        # A writer that has ended takes no more: who waits for room learns that.
        written.add_done_callback(lambda _: parts.room.release())
        gone = False
        try:
            more = True
            while more and not written.done():
                message = await receive()
                if message["type"] == "http.disconnect":
                    gone = True
                    break
                data, more = message.get("body", b""), message.get("more_body", False)
                if patch.sum is not None:
                    patch.sum.update(data)
                await parts.put(data)
            parts.end()
            try:
                await asyncio.shield(written)
            except UploadStrange:
                # A beginning that is too short to be judged is none where its sender has gone.
                if not gone:
                    raise
            if patch.sum is not None and not gone:
                patch.check_sum()
                await self.run(writer.note)
        finally:
            # The thread has the writer until it is done, whatever happened here; what had come counts.
            parts.end()
            with suppress(VmsError, VirtError):
                await asyncio.shield(written)
            await asyncio.shield(self.run(writer.close))
        if gone:
            raise Left

    def end_if_hopeless(self, upload: Upload, error: VmsError) -> None:
        """What the host or our own judgement refused will be refused again; the rest may be sent once more."""
        said_by_host = isinstance(error, VirtError) and not isinstance(error, NOT_NOW)
        if said_by_host or isinstance(error, RefusedImage | NameTaken | OverQuota):
            self.transfers.give_up(work.read(upload.pk), error)
