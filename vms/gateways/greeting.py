"""Shaking hands with a screen in the browser's place: the password is ours to answer, and the browser sees none.

The server's side of RFB 3.7 and 3.8 (RFC 6143, 7.1 and 7.2) up to its SecurityResult. What answers is whoever listens
at the address, so everything is bounded: lengths, and the time for all of it together.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from vms.gateways.closing import Ended
from vms.gateways.rfb import VERSIONS

# Not 3.3: it lets the server choose.
VERSION: Final = VERSIONS[-1]
NO_AUTHENTICATION, PASSWORD = 1, 2
CHALLENGE_LENGTH: Final = 16


class Greeting:
    """One handshake on a connected socket; it must end within the seconds."""

    def __init__(self, target: socket.socket, seconds: float) -> None:
        self.target = target
        self.until = time.monotonic() + seconds
        self.heard = False

    def run(self, password: Callable[[], str]) -> None:
        """Up to the SecurityResult; password is called only where the screen asks for one.

        Ended: screen_silent, screen_strange (no RFB, or one that we do not speak), password_refused.
        """
        try:
            self.shake(password)
        except TimeoutError:
            raise Ended("screen_silent") from None
        except OSError:
            raise Ended("target_closed") from None
        finally:
            self.target.settimeout(None)

    def shake(self, password: Callable[[], str]) -> None:
        version = self.read(len(VERSION))
        if version not in VERSIONS:
            raise Ended("screen_strange")
        self.say(version)
        offered = self.read(self.read(1)[0])
        if NO_AUTHENTICATION in offered:
            self.say(bytes([NO_AUTHENTICATION]))
            # 3.7 says nothing more then.
            if version == VERSION and any(self.read(4)):
                raise Ended("screen_strange")
        elif PASSWORD in offered:
            self.say(bytes([PASSWORD]))
            challenge = self.read(CHALLENGE_LENGTH)
            self.say(response(challenge, password()))
            if any(self.read(4)):
                raise Ended("password_refused")
        else:
            raise Ended("screen_strange")

    def read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            self.target.settimeout(self.left())
            piece = self.target.recv(length - len(data))
            if not piece:
                # A tunnel to where nobody listens ends without a word.
                raise Ended("target_closed" if self.heard else "screen_unreachable")
            self.heard = True
            data += piece
        return data

    def say(self, data: bytes) -> None:
        self.target.settimeout(self.left())
        self.target.sendall(data)

    def left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def response(challenge: bytes, password: str) -> bytes:
    """The challenge encrypted by DES; VNC turns the bits of each of the eight bytes around."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode()[:8].ljust(8, b"\0"))
    # Three times the same key is the single DES that VNC has and the library no longer.
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # noqa: S305 - as RFC 6143 has it
    return encryptor.update(challenge) + encryptor.finalize()
