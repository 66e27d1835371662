"""The wire: bytes both ways, and an end that comes from any side."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vms.virt.ends import Plain, unix
from vms.virt.wire import Wire


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "daemon"))
        listening.listen()
        yield listening


def joined(daemon: socket.socket) -> tuple[Wire, socket.socket, socket.socket]:
    """The wire, the client's end and the daemon's end."""
    wire = Wire(Plain(unix(daemon.getsockname())))
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(wire.path)
    server, _ = daemon.accept()
    server.settimeout(5)
    return wire, client, server


def test_it_passes_bytes_both_ways(daemon: socket.socket) -> None:
    wire, client, server = joined(daemon)
    sent = os.urandom(300_000)
    writer = threading.Thread(target=client.sendall, args=(sent,))
    writer.start()
    got = b""
    while len(got) < len(sent):
        got += server.recv(65536)
    writer.join()
    assert got == sent
    server.sendall(b"answer")
    assert client.recv(100) == b"answer"
    wire.cut()
    client.close()
    server.close()


def test_a_cut_ends_who_waits(daemon: socket.socket) -> None:
    wire, client, server = joined(daemon)
    threading.Timer(0.1, wire.cut).start()
    assert client.recv(1) == b""
    assert server.recv(1) == b""
    wire.cut()
    client.close()
    server.close()


def test_the_daemons_end_ends_the_client(daemon: socket.socket) -> None:
    _, client, server = joined(daemon)
    server.close()
    assert client.recv(1) == b""
    client.close()


def test_only_one_client_is_let_in_and_nothing_is_left_behind(daemon: socket.socket) -> None:
    wire, client, server = joined(daemon)
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    assert not Path(wire.folder).exists()
    wire.cut()
    client.close()
    server.close()


def test_another_is_cut_before_anybody_is_told_that_it_broke(daemon: socket.socket) -> None:
    wire, client, server = joined(daemon)
    order: list[str] = []

    def cut() -> None:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        order.append("cut")

    wire.first_cut = cut
    server.close()
    while not order:
        time.sleep(0.01)
    client.settimeout(5)
    assert client.recv(1) == b""
    wire.cut()
    assert order == ["cut"]
    client.close()
