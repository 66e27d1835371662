"""One request to the relay: everything is asked before the 101, then it is a pump."""

from __future__ import annotations

import logging
import re
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, connections
from django.http.cookie import parse_cookie
from redis import RedisError
from websockify.websocketserver import WebSocketRequestHandler

from vms.errors import TicketRefused
from vms.gateways.closing import CODES, Ended
from vms.gateways.framing import BINARY, TEXT, BrowserSocket
from vms.gateways.origin import ForeignOrigin, check_origin
from vms.gateways.pump import Pump, Stream, Typed
from vms.gateways.rfb import VERSIONS, ClientStream
from vms.models import Console
from vms.services import consoles, failures
from vms.services.actors import address_in

if TYPE_CHECKING:
    from vms.gateways.relay import Relay

logger = logging.getLogger(__name__)

PATH = re.compile(r"/console/([0-9]{1,18})\?ticket=([A-Za-z0-9_-]{43})", re.ASCII)


class Handler(WebSocketRequestHandler):  # type: ignore[misc]
    """GET /console/<vm>?ticket=… with an upgrade, and nothing else."""

    protocol_version = "HTTP/1.1"
    SocketClass = BrowserSocket
    server: Relay
    console: Console

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: http.server would log the path, which holds the ticket."""

    def version_string(self) -> str:
        return "kvmweb"

    def setup(self) -> None:
        # The relay ends a handshake that takes too long in all; this ends a silent one.
        self.timeout = self.server.handshake_seconds
        super().setup()

    def do_GET(self) -> None:
        self.refuse(405)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET

    def refuse(self, status: int) -> None:
        """An answer without a body: whoever has no right here needs no reason (the log has it)."""
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def handle_upgrade(self) -> None:
        match = PATH.fullmatch(self.path)
        if match is None:
            logger.warning("console refused: reason=path")
            return self.refuse(404)
        if not self.server.has_room():
            logger.warning("console refused: reason=relay_full")
            return self.refuse(503)
        try:
            self.console = consoles.redeem(
                match[2],
                vm=int(match[1]),
                session_key=parse_cookie(self.headers.get("Cookie", "")).get(settings.SESSION_COOKIE_NAME, ""),
                has_origin=check_origin(self.headers),
                relay=self.server.name,
            )
        except ForeignOrigin:
            logger.warning("console refused: reason=foreign_origin vm=%s", match[1])
            return self.refuse(403)
        except TicketRefused as refused:
            if refused.params["reason"] == "unknown":
                failures.count("ticket", address_in(self.headers))
            return self.refuse(403)
        except (RedisError, DatabaseError):
            logger.exception("cannot look at a console's ticket")
            return self.refuse(503)
        finally:
            connections.close_all()
        try:
            super().handle_upgrade()
        finally:
            if not isinstance(self.request, BrowserSocket):
                consoles.closed(self.console.pk, "browser_left")
                connections.close_all()

    def handle_websocket(self) -> None:
        """The console's life after the 101."""
        browser: BrowserSocket = self.request
        self.server.handshake_done(self)
        reason = "browser_left"
        target: socket.socket | None = None
        try:
            stream: Stream
            if self.console.kind == Console.Kind.SERIAL.value:
                target, greeting = self.server.lines.join(self.console)
                stream = Typed()
                browser.say(TEXT, greeting)
            else:
                target, greeted = self.server.open_screen(self.console)
                answer = partial(browser.say, BINARY) if greeted else None
                stream = ClientStream(view_only=self.views, answer=answer)
                if greeted:
                    browser.say(BINARY, VERSIONS[-1])
            self.server.register(self.console.pk, target, stream)
            Pump(browser, target, stream, ping_every=self.server.ping_every, pong_within=self.server.pong_within).run()
        except Ended as ended:
            reason = ended.reason
        except Exception:
            logger.exception("console %s", self.console.pk)
            reason = "no_screen"
        finally:
            reason = self.server.why(self.console.pk) or reason
            if target is not None:
                target.close()
            browser.farewell(CODES[reason], reason)
            try:
                consoles.closed(self.console.pk, reason)
            finally:
                self.server.unregister(self.console.pk)
                connections.close_all()
            logger.info("console %s closed: %s", self.console.pk, reason)

    @property
    def views(self) -> bool:
        return self.console.mode != Console.Mode.DRIVE.value
