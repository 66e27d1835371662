"""The filter of a viewer's stream: what passes, what is swallowed, and that frames make no difference."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vms.gateways.rfb import EXTENDED_CLIPBOARD, LENGTHS, VIEWER_MAY, BadStream, ClientStream

HELLO = b"RFB 003.008\n\x01"
EXCLUSIVE, SHARED = b"\x00", b"\x01"

PIXEL_FORMAT = b"\x00" + bytes(19)
UPDATE = b"\x03\x01" + bytes(8)
CONTINUOUS = b"\x96\x01" + bytes(8)
FENCE = b"\xf8" + bytes(3) + b"\x00\x00\x00\x03" + b"\x05" + b"hello"
ALLOWED = [PIXEL_FORMAT, UPDATE, CONTINUOUS, FENCE]

KEY = b"\x04\x01\x00\x00" + struct.pack(">I", 0x61)
POINTER = b"\x05\x01" + struct.pack(">HH", 10, 10)
EXTENDED_POINTER = b"\x05\x81" + struct.pack(">HH", 10, 10) + b"\x01"
CLIPBOARD = b"\x06" + bytes(3) + struct.pack(">I", 6) + b"\x04\x01\x00\x00\x00\x61"
LONG_CLIPBOARD = b"\x06" + bytes(3) + struct.pack(">i", -9) + KEY + b"\x04"
QEMU_KEY = b"\xff\x00" + struct.pack(">HII", 1, 0x61, 30)
AUDIO_ON = b"\xff\x01\x00\x00"
AUDIO_FORMAT = b"\xff\x01\x00\x02" + b"\x03\x02" + struct.pack(">I", 44100)
RESIZE = b"\xfb\x00" + struct.pack(">HH", 800, 600) + b"\x01\x00" + bytes(16)
POWER = b"\xfa\x00\x01\x02"
FORBIDDEN = [KEY, POINTER, EXTENDED_POINTER, CLIPBOARD, LONG_CLIPBOARD, QEMU_KEY, AUDIO_ON, AUDIO_FORMAT, RESIZE, POWER]


def encodings(*codes: int) -> bytes:
    return struct.pack(f">BxH{len(codes)}I", 2, len(codes), *codes)


def through(data: bytes, *, view_only: bool) -> bytes:
    return ClientStream(view_only=view_only).feed(data)


@pytest.mark.parametrize("message", ALLOWED)
def test_a_viewer_may_ask_for_pictures(message: bytes) -> None:
    assert through(HELLO + SHARED + message, view_only=True) == HELLO + SHARED + message


@pytest.mark.parametrize("message", FORBIDDEN)
def test_what_a_viewer_may_not_is_swallowed_to_its_last_byte(message: bytes) -> None:
    data = HELLO + SHARED + message + UPDATE
    assert through(data, view_only=True) == HELLO + SHARED + UPDATE
    assert through(data, view_only=False) == data


def test_every_known_message_is_in_one_of_the_two_lists() -> None:
    samples = {message[0] for message in [*ALLOWED, *FORBIDDEN, encodings(0)]}
    assert samples == set(LENGTHS)
    assert {message[0] for message in [*ALLOWED, encodings(0)]} == VIEWER_MAY


def test_a_viewer_gets_no_clipboard() -> None:
    asked = encodings(7, EXTENDED_CLIPBOARD, 0xFFFFFF21)
    assert through(HELLO + SHARED + asked, view_only=True) == HELLO + SHARED + encodings(7, 0xFFFFFF21)
    assert through(HELLO + SHARED + asked, view_only=False) == HELLO + SHARED + asked


@pytest.mark.parametrize("view_only", [True, False])
def test_nobody_throws_out_the_others(view_only: bool) -> None:
    assert through(HELLO + EXCLUSIVE, view_only=view_only) == HELLO + SHARED


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"RFB 003.003\n",
        b"RFB 003.008\n\x02",
        HELLO + SHARED + b"\x07",
        HELLO + SHARED + b"\xff\x02\x00\x00",
        HELLO + SHARED + b"\x02\x00\xff\xff",
    ],
)
def test_what_has_no_known_length_ends_the_console(data: bytes) -> None:
    for view_only in (True, False):
        with pytest.raises(BadStream):
            through(data, view_only=view_only)


@pytest.mark.parametrize("pressed", [KEY, POINTER, EXTENDED_POINTER, QEMU_KEY])
@pytest.mark.parametrize("view_only", [True, False])
def test_only_keys_and_pointer_count_as_activity(pressed: bytes, view_only: bool) -> None:
    stream = ClientStream(view_only=view_only)
    stream.feed(HELLO + SHARED + UPDATE + FENCE + encodings(0) + CLIPBOARD + LONG_CLIPBOARD + AUDIO_ON + RESIZE + POWER)
    assert not stream.acted
    stream.feed(pressed)
    assert stream.acted


def test_a_clipboard_is_never_held_whole() -> None:
    for view_only in (True, False):
        stream = ClientStream(view_only=view_only)
        stream.feed(HELLO + SHARED + b"\x06" + bytes(3) + struct.pack(">I", 1 << 30))
        for _ in range(32):
            stream.feed(bytes(1 << 16))
            assert len(stream.buffer) == 0


@given(
    st.lists(st.sampled_from([*ALLOWED, *FORBIDDEN, encodings(7, EXTENDED_CLIPBOARD)]), max_size=12),
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.booleans(),
)
def test_any_split_into_frames_gives_the_same(messages: list[bytes], cuts: list[int], view_only: bool) -> None:
    data = HELLO + EXCLUSIVE + b"".join(messages)
    stream, out, at, turn = ClientStream(view_only=view_only), b"", 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        out += stream.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert out == through(data, view_only=view_only)
    if view_only:
        kept = [m if m in ALLOWED else encodings(7) for m in messages if m not in FORBIDDEN]
        assert out == HELLO + SHARED + b"".join(kept)


@pytest.mark.parametrize(
    ("said", "released"),
    [
        (POINTER, b"\x05\x00" + POINTER[2:]),
        (EXTENDED_POINTER, b"\x05\x80" + POINTER[2:] + b"\x00"),
        (b"\x05\x80" + POINTER[2:] + b"\x01", b"\x05\x80" + POINTER[2:] + b"\x00"),
        (POINTER + KEY, b"\x05\x00" + POINTER[2:]),
        (POINTER + POINTER[:4], b"\x05\x00" + POINTER[2:]),
        (POINTER + KEY[:4], b""),
        (POINTER + b"\x05\x00" + POINTER[2:], b""),
        (b"\x05\x80" + POINTER[2:] + b"\x00", b""),
        (KEY, b""),
        (b"", b""),
    ],
)
def test_a_button_that_is_down_is_let_go(said: bytes, released: bytes) -> None:
    for view_only, expected in ((False, released), (True, b"")):
        stream = ClientStream(view_only=view_only)
        stream.feed(HELLO + SHARED + said)
        assert stream.let_go() == expected


def test_before_the_handshake_nothing_is_let_go() -> None:
    assert ClientStream(view_only=False).let_go() == b""
