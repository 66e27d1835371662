"""Shaking hands with a screen: the password right, wrong, not wanted, and servers that are none."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import pytest

from tests.gateways.vncserver import Server, served
from vms.gateways.closing import Ended
from vms.gateways.greeting import Greeting, response
from vms.gateways.rfb import BadStream, ClientStream

V37, V38 = b"RFB 003.007\n", b"RFB 003.008\n"
CHALLENGE = bytes(range(16))
# By OpenSSL: enc -des-ecb -nopad -provider legacy, with the bits of each byte of the key turned around.
KNOWN = {"password": "b866924125c8eebb9debc1db61c538e2", "abc": "9c22b4f2088c3465a1562c4b9d6edb04"}


def shake(server: Server, password: str = "password", *, seconds: float = 5) -> tuple[list[bytes], int]:
    """What the server heard, and how often the password was asked for."""
    asked: list[str] = []

    def give() -> str:
        asked.append(password)
        return password

    with served(server) as target:
        Greeting(target, seconds).run(give)
        assert target.gettimeout() is None
    return server.heard, len(asked)


def reason(server: Server, *, seconds: float = 5) -> str:
    with pytest.raises(Ended) as ended:
        shake(server, seconds=seconds)
    return ended.value.reason


@pytest.mark.parametrize("password", KNOWN)
def test_the_response_is_what_openssl_says(password: str) -> None:
    assert response(CHALLENGE, password).hex() == KNOWN[password]


def test_only_eight_characters_count() -> None:
    assert response(CHALLENGE, "password-and-more") == response(CHALLENGE, "password")


@pytest.mark.parametrize("version", [V37, V38])
def test_a_password_that_is_demanded_is_given(version: bytes) -> None:
    server = Server([version, b"\x02\x02\x10", CHALLENGE, bytes(4)], [12, 1, 16])
    assert shake(server) == ([version, b"\x02", bytes.fromhex(KNOWN["password"])], 1)


def test_a_screen_without_password_costs_none() -> None:
    assert shake(Server([V38, b"\x02\x02\x01", bytes(4)], [12, 1])) == ([V38, b"\x01"], 0)
    assert shake(Server([V37, b"\x01\x01"], [12, 1])) == ([V37, b"\x01"], 0)


def test_a_wrong_password_is_said() -> None:
    refused = b"\0\0\0\1" + b"\0\0\0\3no!"
    assert reason(Server([V38, b"\x01\x02", CHALLENGE, refused], [12, 1, 16])) == "password_refused"


@pytest.mark.parametrize(
    ("says", "wants"),
    [
        ([b"RFB 003.003\n"], []),
        ([b"RFB 004.001\n"], []),
        ([b"HTTP/1.1 400 Bad Request\r\n"], []),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], []),
        ([V38, b"\x00\x00\x00\x00\x04nope"], [12]),
        ([V38, b"\x01\x13"], [12]),  # VeNCrypt alone
        ([V38, b"\xff" + b"\x30" * 255], [12]),
        ([V38, b"\x01\x01", b"\0\0\0\1"], [12, 1]),
    ],
)
def test_what_is_no_screen_of_ours_is_refused(says: list[bytes], wants: list[int]) -> None:
    assert reason(Server(says, wants)) == "screen_strange"


@pytest.mark.parametrize(
    ("says", "wants"),
    [
        ([], []),
        ([V38[:5]], []),
        ([V38], [12]),
        ([V38, b"\x02\x02"], [12]),
        ([V38, b"\x01\x02", CHALLENGE[:7]], [12, 1]),
    ],
)
def test_a_silent_one_is_left_in_time(says: list[bytes], wants: list[int]) -> None:
    began = time.monotonic()
    assert reason(Server(says, wants), seconds=0.3) == "screen_silent"
    assert time.monotonic() - began < 3


def test_one_that_drips_is_left_in_time_too() -> None:
    def drip() -> None:
        with suppress(OSError):
            for byte in V38:
                theirs.sendall(bytes([byte]))
                time.sleep(0.1)

    ours, theirs = socket.socketpair()
    threading.Thread(target=drip, daemon=True).start()
    began = time.monotonic()
    with ours, theirs, pytest.raises(Ended) as ended:
        Greeting(ours, 0.3).run(lambda: "password")
    assert ended.value.reason == "screen_silent"
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("says", "wants", "word"),
    [
        ([], [], "screen_unreachable"),
        ([V38], [12], "target_closed"),
        ([V38, b"\x01\x02", CHALLENGE], [12, 1, 16], "target_closed"),
    ],
)
def test_one_that_closes_is_left(says: list[bytes], wants: list[int], word: str) -> None:
    assert reason(Server(says, wants, stays=False)) == word


def test_a_browser_is_told_step_by_step_that_there_is_no_password_and_its_answers_go_nowhere() -> None:
    said: list[bytes] = []
    stream = ClientStream(view_only=False, answer=said.append)
    assert stream.feed(V38[:5]) == b""
    assert said == []
    assert stream.feed(V38[5:]) == b""
    assert said == [b"\x01\x01"]
    assert stream.feed(b"\x01" + b"\x00" + b"\x03" + bytes(9)) == b"\x01" + b"\x03" + bytes(9)
    assert said == [b"\x01\x01", bytes(4)]


@pytest.mark.parametrize("data", [V37, V38 + b"\x02"])
def test_a_browser_that_answers_something_else_is_closed(data: bytes) -> None:
    with pytest.raises(BadStream):
        ClientStream(view_only=False, answer=lambda words: None).feed(data)
