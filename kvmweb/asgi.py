"""The web process: Django's pages, and the live channel at /ws/live."""

from __future__ import annotations

import gc
import os
from typing import Any
from urllib.parse import urlsplit

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvmweb.settings")
django.setup(set_prefix=False)

from asgiref.sync import sync_to_async  # noqa: E402  # what follows imports models, which need the settings above
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from channels.security.websocket import WebsocketDenier  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.base import BaseHandler  # noqa: E402
from django.db import DatabaseError  # noqa: E402
from django.http import HttpRequest, HttpResponseBase  # noqa: E402
from django.http.request import split_domain_port, validate_host  # noqa: E402

from vms.consumers import LiveConsumer  # noqa: E402
from vms.services import schema  # noqa: E402

# So many new objects are looked through for cycles; a page has some thousand.
YOUNG = 50_000


def same_origin(headers: dict[bytes, bytes], allowed: list[str]) -> bool:
    """Whether there is one Origin, it names exactly the Host that was asked, and that host is an allowed one."""
    host = headers.get(b"host", b"").decode("latin1")
    origin = urlsplit(headers.get(b"origin", b"").decode("latin1"))
    name, _ = split_domain_port(host.lower())
    return origin.scheme in ("http", "https") and origin.netloc.lower() == host.lower() and validate_host(name, allowed)


class Pages(ASGIHandler):
    """Middlewares and views as under WSGI, all in the request's own thread: none of them is asynchronous here, and
    Django would go from that thread to the event loop and back between them."""

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)


class OnlyLive:
    """Lets only pages of this site open the one channel; a "*" in the allowed hosts does not widen it."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.denier = WebsocketDenier.as_asgi()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        origins = sum(name == b"origin" for name, _ in scope["headers"])
        fits = origins == 1 and same_origin(dict(scope["headers"]), settings.ALLOWED_HOSTS)
        chosen = self.application if fits and scope["path"] == "/ws/live" else self.denier
        return await chosen(scope, receive, send)


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """The server's start and end (ASGI lifespan): it does not start on tables that this program does not know."""
    while (await receive())["type"] == "lifespan.startup":
        try:
            await sync_to_async(schema.require_current)()
        except (schema.UnfitDatabase, DatabaseError) as unfit:
            await send({"type": "lifespan.startup.failed", "message": str(unfit)})
            return
        # What has been loaded stays, and what a page makes goes with its last reference.
        gc.freeze()
        gc.set_threshold(YOUNG)
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


application = ProtocolTypeRouter(
    {
        "http": Pages(),
        "websocket": OnlyLive(AuthMiddlewareStack(LiveConsumer.as_asgi())),
        "lifespan": lifespan,
    }
)
