"""The transfer process's requests, as raw ASGI: a framework would gather a body before anybody asks whose it is."""

from __future__ import annotations

import asyncio
import logging
import re
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from django.db import DatabaseError

from vms.gateways import asking, tus
from vms.gateways.answers import Receive, Send, answer
from vms.gateways.downloads import Downloads
from vms.gateways.lingering import Body
from vms.gateways.transfers import Transfers
from vms.gateways.uploads import Uploads
from vms.services import uploads

logger = logging.getLogger(__name__)

UPLOAD: Final = re.compile(r"/transfer/uploads/([0-9]{1,18})", re.ASCII)
VOLUME: Final = re.compile(r"/transfer/volumes/([0-9]{1,18})", re.ASCII)


class Application:
    """Uploads and downloads of one process."""

    def __init__(self, transfers: Transfers) -> None:
        self.transfers = transfers
        self.uploads = Uploads(transfers)
        self.downloads = Downloads(transfers)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        said = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        twice = len(said) < len(scope["headers"])
        body = Body(said, receive)
        send = body.answering(send)
        upload, volume = UPLOAD.fullmatch(scope["path"]), VOLUME.fullmatch(scope["path"])
        try:
            if twice:
                await answer(send, 400, {"Connection": "close"})
            elif upload:
                await self.upload(int(upload[1]), scope, said, body.receive, send)
            elif volume:
                await self.volume(int(volume[1]), scope, said, send)
            else:
                await answer(send, 404, {"Connection": "close"})
        except asking.Refused as refused:
            await answer(send, refused.status, {**tus.RESUMABLE, "Connection": "close"})
        except DatabaseError:
            logger.exception("cannot ask the database")
            await answer(send, 503, {"Retry-After": "2", "Connection": "close"})

    async def actor(self, scope: dict[str, Any]) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self.transfers.threads, partial(self.transfers.run, asking.find_actor, scope)
        )  # fmt: skip

    async def upload(self, pk: int, scope: dict[str, Any], said: dict[str, str], receive: Receive, send: Send) -> None:
        """One upload's address; whoever may not use it is told that it is not there."""
        method = scope["method"]
        if method == "OPTIONS":
            return await answer(send, 204, {**tus.RESUMABLE, **tus.ABILITIES})
        if method not in ("HEAD", "PATCH", "DELETE"):
            return await answer(send, 405, {"Allow": "HEAD, PATCH, DELETE, OPTIONS", "Connection": "close"})
        actor = await self.actor(scope)
        if said.get("tus-resumable") != tus.VERSION:
            return await answer(send, 412, {"Tus-Version": tus.VERSION, "Connection": "close"})
        secret = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        found = await self.uploads.run(uploads.find, pk, secret, actor)
        if found is None:
            return await answer(send, 404, {**tus.RESUMABLE, "Connection": "close"})
        if method == "HEAD":
            await self.uploads.head(found, send)
        elif method == "DELETE":
            await self.uploads.delete(found, actor, send)
        else:
            await self.uploads.patch(found, actor, said, receive, send)

    async def volume(self, pk: int, scope: dict[str, Any], said: dict[str, str], send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            return await answer(send, 405, {"Allow": "GET, HEAD", "Connection": "close"})
        actor = await self.actor(scope)
        await self.downloads.get(pk, actor, said, send, head=scope["method"] == "HEAD")
