"""A signed-in browser without a screen: cookies, forms and the live WebSocket."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from urllib.parse import urlencode

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.lab.stack import ADMIN, Dashboard


class Browser:
    """Signed in as the administrator."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.url = dashboard.url
        self.jar = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.page("/accounts/login/")
        self.post("/accounts/login/", login=ADMIN, password=dashboard.password)

    def cookie(self, part: str) -> str:
        """The value of the cookie whose name holds the part."""
        return next(str(cookie.value) for cookie in self.jar if part in cookie.name)

    def page(self, path: str) -> str:
        """The text of a page that must be there."""
        with self.opener.open(self.url + path, timeout=20) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **fields: str) -> str:
        """The page to which a form leads."""
        request = urllib.request.Request(
            self.url + path,
            urlencode(fields).encode(),
            {"X-CSRFToken": self.cookie("csrf"), "Origin": self.url, "Referer": self.url + path},
        )
        with self.opener.open(request, timeout=20) as answer:
            return str(answer.read().decode())

    @contextmanager
    def live(self) -> Iterator[Live]:
        """What an open page is told."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)
        address = self.url.replace("http", "ws") + "/ws/live"
        with connect(address, origin=Origin(self.url), additional_headers={"Cookie": cookies}) as socket:
            yield Live(socket)


class Live:
    """The names that come through the WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.waiting: list[str] = []

    def wait_for(self, name: str, *, within: float = 20) -> None:
        """Return when the name has been told; TimeoutError when nothing more comes."""
        while not {name, "*"} & set(self.waiting):
            self.waiting += json.loads(self.socket.recv(timeout=within))["names"]
        self.waiting.clear()
