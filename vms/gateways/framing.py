"""The browser's end: websockify's WebSocket with the limits that it lacks, and without its state between two sends."""

from __future__ import annotations

import socket
import struct
from typing import Any

from websockify.websocket import WebSocketWantWriteError
from websockify.websocketserver import HttpWebSocket

MOST_FRAME = 1 << 20
TEXT, BINARY, PING, PONG = 0x1, 0x2, 0x9, 0xA


class FrameTooBig(Exception):
    """The browser announced a frame or a message past the limit."""


class BrowserSocket(HttpWebSocket):  # type: ignore[misc]
    """A stream of binary frames; frames and messages from the browser are of at most 1 MiB."""

    socket: Any
    _send_buffer: bytes
    _sent_close: bool

    def __init__(self, request_handler: Any) -> None:
        super().__init__(request_handler)
        self.pong_due: bytes | None = None
        self.pongs = 0

    def select_subprotocol(self, protocols: list[str]) -> str:
        return "binary" if "binary" in protocols else ""

    @property
    def blocked(self) -> bool:
        """Whether the browser has not taken yet all that it was sent."""
        return bool(self._send_buffer)

    @property
    def ending(self) -> bool:
        """Whether a close frame was sent, as websockify does when the browser breaks the protocol."""
        return self._sent_close

    def say(self, opcode: int, data: bytes) -> None:
        """Send a frame as far as the browser takes it; flush() sends the rest."""
        head = header(opcode, len(data))
        if self._send_buffer:
            self._send_buffer += head + data
            return
        try:
            # websockify would copy the data behind the header first, which costs a tenth of the throughput.
            sent = self.socket.sendmsg((head, data))
        except BlockingIOError:
            sent = 0
        if sent < len(head) + len(data):
            self._send_buffer = (head + data)[sent:]

    def flush(self) -> None:
        """Go on with what waits, then answer the latest ping."""
        try:
            self._flush()
        except WebSocketWantWriteError:
            return
        if self.pong_due is not None:
            data, self.pong_due = self.pong_due, None
            self.say(PONG, data)

    def handle_ping(self, data: bytes) -> None:
        if self.blocked:
            # Only the latest: a browser that pings and never reads must not fill our memory.
            self.pong_due = data
        else:
            self.say(PONG, data)

    def handle_pong(self, data: bytes) -> None:
        self.pongs += 1

    def _decode_hybi(self, buf: bytes) -> Any:
        # Asked of the header, before websockify gathers the frame.
        if announced(buf) + len(self._partial_msg) > MOST_FRAME:
            raise FrameTooBig
        return super()._decode_hybi(buf)

    def farewell(self, code: int, reason: str) -> None:
        """Say why and close; reads for at most a second, because closing with unread bytes eats the last words."""
        if self.socket is None:
            return
        raw = self.socket
        raw.settimeout(1.0)
        try:
            if not self.ending:
                self.shutdown(socket.SHUT_RDWR, code, reason)
            raw.shutdown(socket.SHUT_WR)
            for _ in range(64):
                if not raw.recv(65536):
                    break
        except (OSError, WebSocketWantWriteError):
            pass
        finally:
            raw.close()
            self.socket = None


def header(opcode: int, length: int) -> bytes:
    """The beginning of an unmasked frame that is a whole message."""
    if length < 126:
        return struct.pack(">BB", 0x80 | opcode, length)
    if length < 65536:
        return struct.pack(">BBH", 0x80 | opcode, 126, length)
    return struct.pack(">BBQ", 0x80 | opcode, 127, length)


def announced(buf: bytes) -> int:
    """The payload length that the frame's header gives, 0 while it is not known."""
    length = buf[1] & 0x7F if len(buf) >= 2 else 0
    if length == 126:
        return int(struct.unpack_from(">H", buf, 2)[0]) if len(buf) >= 4 else 0
    if length == 127:
        return int(struct.unpack_from(">Q", buf, 2)[0]) if len(buf) >= 10 else 0
    return length
