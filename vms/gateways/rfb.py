"""What a browser may say to a VNC server: its messages parsed as one stream, wherever the frames split them.

Both modes force the shared flag, so that nobody throws out the others. A viewer's stream is put together anew from
whole messages of an allow-list; everything else is swallowed by its length. A message that is not known has no
length and ends the console.

The client's side of RFB 3.7 and 3.8 (RFC 6143) with the security type None, which is what libvirt's SKIPAUTH gives
and what the browser is told where the relay has shaken hands with the screen itself (vms.gateways.greeting):
    12 bytes version | 1 byte security type | 1 byte shared flag | messages, each led by its type
"""

from __future__ import annotations

import struct
from collections.abc import Callable

VERSIONS = (b"RFB 003.007\n", b"RFB 003.008\n")
NO_AUTHENTICATION = b"\x01"
SHARED = b"\x01"
ONE_TYPE = b"\x01"
SUCCEEDED = bytes(4)

SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST, KEY, POINTER, CUT_TEXT = 0, 2, 3, 4, 5, 6
CONTINUOUS_UPDATES, FENCE, XVP, SET_DESKTOP_SIZE, QEMU = 150, 248, 250, 251, 255
QEMU_KEY, QEMU_AUDIO, QEMU_AUDIO_FORMAT = 0, 1, 2

VIEWER_MAY = frozenset({SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST, CONTINUOUS_UPDATES, FENCE})
PRESSED = frozenset({KEY, POINTER})
EXTENDED_CLIPBOARD = 0xC0A1E5CE
MOST_ENCODINGS = 1024


class BadStream(Exception):
    """The browser said something that is no RFB, or that has no known length."""


# type -> (bytes needed to know the length, length out of these bytes)
LENGTHS: dict[int, tuple[int, Callable[[bytes], int]]] = {
    SET_PIXEL_FORMAT: (1, lambda head: 20),
    SET_ENCODINGS: (4, lambda head: 4 + 4 * encodings(head)),
    UPDATE_REQUEST: (1, lambda head: 10),
    KEY: (1, lambda head: 8),
    # The marker bit of the extended mouse buttons adds a byte; without the extension noVNC leaves it 0.
    POINTER: (2, lambda head: 7 if head[1] & 0x80 else 6),
    # A negative length is the extended clipboard's.
    CUT_TEXT: (8, lambda head: 8 + abs(int(struct.unpack_from(">i", head, 4)[0]))),
    CONTINUOUS_UPDATES: (1, lambda head: 10),
    FENCE: (9, lambda head: 9 + head[8]),
    XVP: (1, lambda head: 4),
    SET_DESKTOP_SIZE: (7, lambda head: 8 + 16 * head[6]),
    QEMU: (4, lambda head: qemu(head)),
}


def encodings(head: bytes) -> int:
    """How many encodings follow; the message is held whole, so there is a limit."""
    number = int(struct.unpack_from(">H", head, 2)[0])
    if number > MOST_ENCODINGS:
        raise BadStream(f"{number} encodings")
    return number


def qemu(head: bytes) -> int:
    """The length of one of QEMU's own messages."""
    if head[1] == QEMU_KEY:
        return 12
    if head[1] == QEMU_AUDIO:
        return 10 if struct.unpack_from(">H", head, 2)[0] == QEMU_AUDIO_FORMAT else 4
    raise BadStream(f"QEMU message {head[1]}")


def without_clipboard(message: bytes) -> bytes:
    """SetEncodings without the clipboard's pseudo-encoding."""
    codes = [code for (code,) in struct.iter_unpack(">I", message[4:]) if code != EXTENDED_CLIPBOARD]
    return struct.pack(f">BxH{len(codes)}I", SET_ENCODINGS, len(codes), *codes)


class ClientStream:
    """One browser's bytes on their way to the server; feed() gives what goes on, acted says that keys were pressed or
    something pointed at: a browser asks for pictures and answers a clipboard without anybody being there.

    answer: where the relay has shaken hands with the server itself, and has told the browser the version: says the
    rest of a handshake without a password to the browser, whose half of it goes nowhere.
    """

    def __init__(self, *, view_only: bool, answer: Callable[[bytes], None] | None = None) -> None:
        self.view_only = view_only
        self.answer = answer
        self.acted = False
        self.pointed = b""
        self.buffer = bytearray()
        self.rest = 0
        self.rest_passes = False
        self.step: Callable[[], bytes | None] = self.version

    def feed(self, data: bytes) -> bytes:
        """What of the bytes so far goes to the server now; BadStream ends the console."""
        self.buffer += data
        passed = []
        while (piece := self.step()) is not None:
            passed.append(piece)
        return b"".join(passed)

    def take(self, length: int) -> bytes | None:
        if len(self.buffer) < length:
            return None
        piece = bytes(self.buffer[:length])
        del self.buffer[:length]
        return piece

    def version(self) -> bytes | None:
        piece = self.take(12)
        if piece is None:
            return None
        if piece not in (VERSIONS[-1:] if self.answer else VERSIONS):
            raise BadStream("version")
        self.step = self.security
        return self.answered(ONE_TYPE + NO_AUTHENTICATION, piece)

    def security(self) -> bytes | None:
        piece = self.take(1)
        if piece is None:
            return None
        if piece != NO_AUTHENTICATION:
            raise BadStream("security type")
        self.step = self.shared_flag
        return self.answered(SUCCEEDED, piece)

    def answered(self, words: bytes, piece: bytes) -> bytes:
        """Say the words to the browser in the server's place, or pass its piece on."""
        if self.answer is None:
            return piece
        self.answer(words)
        return b""

    def shared_flag(self) -> bytes | None:
        if self.take(1) is None:
            return None
        self.step = self.message
        return SHARED

    def message(self) -> bytes | None:
        """The next whole message, b"" where it is swallowed, None until there is more."""
        if not self.buffer:
            return None
        kind = self.buffer[0]
        if kind not in LENGTHS:
            raise BadStream(f"message {kind}")
        needed, length_of = LENGTHS[kind]
        if len(self.buffer) < needed:
            return None
        length = length_of(bytes(self.buffer[:needed]))
        self.acted = self.acted or kind in PRESSED or (kind == QEMU and self.buffer[1] == QEMU_KEY)
        if self.view_only and kind in VIEWER_MAY:
            piece = self.take(length)
            return without_clipboard(piece) if piece and kind == SET_ENCODINGS else piece
        if kind == POINTER and not self.view_only:
            piece = self.take(length)
            self.pointed = piece or self.pointed
            return piece
        self.rest, self.rest_passes, self.step = length, not self.view_only, self.remainder
        return b""

    def let_go(self) -> bytes:
        """What releases the mouse buttons where they were pressed last, b"" where none is down, or a message has begun
        of which the server has a part."""
        if self.step != self.message or not any(self.pointed[1:2].replace(b"\x80", b"\0") + self.pointed[6:]):
            return b""
        return bytes([POINTER, self.pointed[1] & 0x80]) + self.pointed[2:6] + bytes(len(self.pointed[6:]))

    def remainder(self) -> bytes | None:
        """What is there of a message that is passed or swallowed as it comes: a clipboard is never held whole."""
        if not self.buffer:
            return None
        piece = bytes(self.buffer[: self.rest])
        del self.buffer[: len(piece)]
        self.rest -= len(piece)
        if not self.rest:
            self.step = self.message
        return piece if self.rest_passes else b""
