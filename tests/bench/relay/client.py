"""A browser's end without a browser: as little work as possible, so that the relay is what is measured."""

from __future__ import annotations

import base64
import os
import socket
import struct
import time
from pathlib import Path

HOST = "localhost:8000"
HELLO = b"RFB 003.008\n\x01\x01"
REQUEST = b"\x03\x01" + struct.pack(">HHHH", 0, 0, 640, 480)  # FramebufferUpdateRequest: ten bytes
BINARY, CLOSE, PING, PONG = 0x2, 0x8, 0x9, 0xA


def frame(opcode: int, data: bytes) -> bytes:
    """A masked frame of at most 125 bytes."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    return struct.pack("BB", 0x80 | opcode, 0x80 | len(data)) + mask + masked


class Browser:
    """A WebSocket over a unix socket."""

    def __init__(self, door: Path, path: str = "/", cookie: str = "") -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(door))
        key = base64.b64encode(os.urandom(16)).decode()
        headers = [
            f"GET {path} HTTP/1.1", f"Host: {HOST}", f"Origin: http://{HOST}", "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: binary",
            *([f"Cookie: {cookie}"] if cookie else []),
        ]  # fmt: skip
        self.socket.sendall("\r\n".join([*headers, "", ""]).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        assert head.split()[1] == b"101", head

    def more(self) -> None:
        data = self.socket.recv(65536)
        assert data, "the relay closed the connection"
        self.buffer += data

    def take(self, length: int) -> bytes:
        while len(self.buffer) < length:
            self.more()
        piece, self.buffer = self.buffer[:length], self.buffer[length:]
        return piece

    def receive(self) -> bytes:
        """The next data frame's payload; pings are answered on the way."""
        while True:
            opcode, length = self.take(2)
            if length >= 126:
                [length] = struct.unpack(">H" if length == 126 else ">Q", self.take(2 if length == 126 else 8))
            data = self.take(length)
            if opcode & 0xF == PING:
                self.socket.sendall(frame(PONG, data))
                continue
            assert opcode & 0xF != CLOSE, f"the relay says {data!r}"
            return data

    def exchange(self, message: bytes) -> float:
        """Seconds until as many bytes came back as were sent."""
        framed = frame(BINARY, message)
        began = time.perf_counter()
        self.socket.sendall(framed)
        missing = len(message)
        while missing > 0:
            missing -= len(self.receive())
        return time.perf_counter() - began

    def close(self) -> None:
        self.socket.close()


def drain(stream: socket.socket, seconds: float) -> float:
    """Bytes a second that arrive; their framing is a ten-thousandth of them."""
    place = bytearray(1 << 20)
    got = 0
    began = now = time.perf_counter()
    while now < began + seconds:
        got += stream.recv_into(place)
        now = time.perf_counter()
    return got / (now - began)
