"""A web server of a test's own, that says exactly what it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Reply = Callable[[socket.socket, str], None]


@dataclass
class WebServer:
    """pages[path] answers on the connection, given the request's head. asked: the heads in order."""

    listener: socket.socket
    pages: dict[str, Reply] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    held: list[socket.socket] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.held.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        head = b""
        with suppress(OSError):
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            text = head.decode()
            self.asked.append(text)
            path = text.split(" ")[1].partition("?")[0]
            self.pages.get(path, status(404))(connection, text)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


@contextmanager
def web_server(address: str = "127.0.0.1") -> Iterator[WebServer]:
    listener = socket.create_server((address, 0))
    server = WebServer(listener)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in server.held:
            connection.close()
        thread.join(5)


def head(code: int, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {code} Word", *lines, "Connection: close", "", ""]).encode()


def status(code: int, *lines: str) -> Reply:
    return lambda connection, request: connection.sendall(head(code, *lines, "Content-Length: 0"))


def moved(to: str, code: int = 302) -> Reply:
    return status(code, f"Location: {to}")


def body(data: bytes, *lines: str) -> Reply:
    """All of it, or from where the request says on, if that is for the version that this has."""
    return partly(data, len(data), *lines)


def partly(data: bytes, most: int, *lines: str) -> Reply:
    """The same, hanging up after that many bytes."""

    def reply(connection: socket.socket, request: str) -> None:
        wanted = next((line for line in request.split("\r\n") if line.startswith("Range: ")), "")
        start = int(wanted.removeprefix("Range: bytes=").removesuffix("-") or 0)
        same = "If-Range" not in request or any(line.partition(": ")[2] in request for line in lines if "ETag" in line)
        if start and same:
            told = [f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}", f"Content-Length: {len(data) - start}"]
            connection.sendall(head(206, *lines, *told) + data[start : start + most])
        else:
            connection.sendall(head(200, *lines, f"Content-Length: {len(data)}") + data[:most])

    return reply
