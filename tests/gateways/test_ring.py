"""What is kept of a serial line."""

from __future__ import annotations

from vms.gateways.ring import Ring


def test_it_keeps_the_last_bytes_and_their_places() -> None:
    ring = Ring(8)
    ring.add(b"abcd")
    assert (ring.start, ring.end, ring.first(), ring.read(1, 2)) == (0, 4, 0, b"bc")
    ring.add(b"efghij")
    assert (ring.start, ring.end, ring.read(ring.start, 100)) == (2, 10, b"cdefghij")
    assert ring.read(10, 5) == b""
    ring.add(bytes(100))
    assert (ring.start, ring.end) == (102, 110)


def test_a_late_viewer_begins_with_a_line() -> None:
    ring = Ring(12)
    ring.add(b"one\ntwo\nthree\nfour\n")
    assert (ring.read(ring.start, 100), ring.read(ring.first(), 100)) == (b"\nthree\nfour\n", b"three\nfour\n")
    ring.add(b"without any end to it")
    assert ring.first() == ring.start
