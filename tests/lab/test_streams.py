"""A volume's bytes through libvirt's streams: exactly what was said, or an error of ours."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tests.lab.machine import LabHost
from tests.lab.pools import LabPool, folder_pool
from vms.errors import HostRefused, HostUnreachable, NotFound, StreamShort
from vms.libvirtxml import volume_document
from vms.virt import Connection, HostSpec, connect, streams, upload

MIB = 1 << 20


def test_what_goes_in_in_pieces_comes_out_again(pool: LabPool, connection: Connection) -> None:
    data = os.urandom(5 * MIB + 12_345)
    pool.make("pieces", len(data))
    for start in (0, 3 * MIB):
        piece = data[start : start + 3 * MIB]
        way = upload(connection, pool.name, "pieces", start, len(piece))
        way.send(piece[:100])
        way.send(piece[100:])
        way.finish()
    assert (pool.folder / "pieces").read_bytes() == data
    back = connection.volume(pool.uuid, "pieces").download(1000, 4 * MIB)
    found = b"".join(iter(lambda: back.read(300_000), b""))
    back.finish()
    assert found == data[1000 : 1000 + 4 * MIB]


def test_what_was_sent_is_there_where_no_more_comes(pool: LabPool, connection: Connection) -> None:
    """Our uploads rest on it: a sender may go at any byte."""
    before, data = os.urandom(4 * MIB), os.urandom(2 * MIB + 77)
    pool.make("short", len(before))
    (pool.folder / "short").write_bytes(before)
    way = upload(connection, pool.name, "short", 100, 3 * MIB)
    way.send(data)
    way.finish(short=True)
    assert (pool.folder / "short").read_bytes() == before[:100] + data + before[100 + len(data) :]


def test_a_volume_of_many_pieces_comes_whole(
    pool: LabPool, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holes and data on both sides of where a piece ends; what is a hole for long takes few of them."""
    asked: list[int] = []
    begin = streams.Download.begin

    def counted(way: streams.Download) -> None:
        begin(way)
        asked.append(way.piece)

    monkeypatch.setattr(streams.Download, "begin", counted)
    size = 6 << 30
    pool.make("holes", size)
    wrote = {0: 3 * MIB, 15 * MIB: 2 * MIB, 40 * MIB: 30 * MIB, 3 << 30: 20 * MIB, size - MIB: MIB}
    data = {start: os.urandom(length) for start, length in wrote.items()}
    with (pool.folder / "holes").open("r+b") as written:
        for start, piece in data.items():
            written.seek(start)
            written.write(piece)
    way = connection.volume(pool.uuid, "holes").download(0, size, sparse=True)
    found, at, held = {}, 0, bytearray()
    while way.left:
        part = way.read_or_hole()
        if isinstance(part, bytes):
            held += part
        elif held:
            found[at - len(held)] = bytes(held)
            held.clear()
        at += part if isinstance(part, int) else len(part)
    way.finish()
    assert at == size and {**found, at - len(held): bytes(held)} == data
    assert len(asked) < 40, asked
    there = connection.volume(pool.uuid, "holes").blocks(10 * MIB, 60 * MIB)
    with (pool.folder / "holes").open("rb") as file:
        file.seek(10 * MIB)
        assert b"".join(there) == file.read(60 * MIB)
    assert list(connection.volume(pool.uuid, "holes").blocks(0, 0)) == []


def test_one_may_begin_before_the_one_before_has_ended(pool: LabPool, connection: Connection) -> None:
    """So our uploads keep a host busy; whichever ends, its bytes are there and the other's come on."""
    data = os.urandom(24 * MIB + 5)
    pool.make("both", len(data))
    first = upload(connection, pool.name, "both", 0, len(data))
    first.send(data[: 16 * MIB])
    second = upload(connection, pool.name, "both", 16 * MIB, len(data) - 16 * MIB)
    second.send(data[16 * MIB : 20 * MIB])
    first.finish(short=True)
    assert (pool.folder / "both").read_bytes()[: 16 * MIB] == data[: 16 * MIB]
    second.send(data[20 * MIB :])
    second.finish()
    assert (pool.folder / "both").read_bytes() == data


def test_a_pool_is_looked_through_while_others_make_something_in_it(
    pool: LabPool, lab_host: LabHost, connection: Connection
) -> None:
    """Which libvirt refuses as long as it makes one."""
    begun, ends = threading.Event(), threading.Event()

    def make() -> None:
        with connect(HostSpec("unix", "qemu", socket=str(lab_host.socket))) as other:
            number = 0
            while not ends.is_set():
                name = f"beside-{number}"
                other.create_volume(pool.uuid, volume_document(name, MIB, "qcow2", whole=False), name=name)
                begun.set()
                number += 1

    thread = threading.Thread(target=make)
    thread.start()
    try:
        assert begun.wait(20)
        for _ in range(15):
            connection.pool(pool.uuid).refresh()
    finally:
        ends.set()
        thread.join(60)
    assert "beside-0" in pool.names()


def test_no_byte_goes_past_what_was_said(pool: LabPool, connection: Connection) -> None:
    pool.make("exact", MIB)
    way = upload(connection, pool.name, "exact", 0, MIB)
    with pytest.raises(ValueError, match="are left"):
        way.send(bytes(MIB + 1))
    way.send(bytes(MIB - 1))
    with pytest.raises(StreamShort) as short:
        way.finish()
    way.abort()
    assert short.value.params["left"] == 1
    assert (pool.folder / "exact").stat().st_size == MIB
    for length in (0, -1):
        with pytest.raises(ValueError, match="no bytes"):
            upload(connection, pool.name, "exact", 0, length)


def test_a_volume_that_is_shorter_than_it_was_says_so(pool: LabPool, connection: Connection) -> None:
    pool.make("cut", MIB)
    os.truncate(pool.folder / "cut", 1000)
    with pytest.raises((StreamShort, HostRefused)):
        way = connection.volume(pool.uuid, "cut").download(0, MIB)
        while way.read():
            pass


def test_what_is_not_there_is_not_found(pool: LabPool, connection: Connection) -> None:
    for found in ((pool.name, "nothing"), ("no-pool", "nothing")):
        with pytest.raises(NotFound):
            upload(connection, *found, 0, 1)


def test_a_full_disk_is_an_error_and_not_a_short_volume(lab_host: LabHost, connection: Connection) -> None:
    with folder_pool(lab_host, disk="4m") as small:
        small.make("sparse", 16 * MIB)
        way = upload(connection, small.name, "sparse", 0, 16 * MIB)
        with pytest.raises(HostRefused) as full:
            way.send(os.urandom(16 * MIB))
            way.finish()
        way.abort()
        assert full.value.details
        # The connection goes on.
        assert connection.alive()
        small.make("other", 1000)


def test_what_could_not_be_written_at_the_end_is_an_error_too(lab_host: LabHost, connection: Connection) -> None:
    """libvirt says now and then that all is well where its last write failed; zeros after it hide nothing."""
    with folder_pool(lab_host, disk="1m") as small:
        small.make("sparse", MIB)
        lab_host.run("sh", "-c", f"dd if=/dev/zero of={small.path}/ballast bs=4096 2>/dev/null || true")
        for ending in (b"", bytes(8192)):
            for _ in range(30):
                way = upload(connection, small.name, "sparse", 0, MIB)
                with pytest.raises(HostRefused):
                    way.send(os.urandom(8192) + ending)
                    way.finish(short=True)
                way.abort()
        lab_host.run("rm", f"{small.path}/ballast")
        way = upload(connection, small.name, "sparse", 0, MIB)
        way.send(os.urandom(8192) + bytes(8192))
        way.finish(short=True)


def test_cutting_the_connection_frees_who_waits_for_the_host(pool: LabPool, lab_host: LabHost) -> None:
    pool.make("hung", 512 * MIB)
    freed: list[type[Exception]] = []
    with connect(HostSpec("unix", "qemu", socket=str(lab_host.socket))) as connection:
        way = upload(connection, pool.name, "hung", 0, 512 * MIB)

        def send() -> None:
            try:
                for _ in range(512):
                    way.send(bytes(MIB))
            except HostUnreachable as error:
                freed.append(type(error))

        pid = lab_host.pid("libvirtd")
        os.kill(pid, signal.SIGSTOP)
        try:
            thread = threading.Thread(target=send, daemon=True)
            thread.start()
            # Long enough for what the wire can hold: then it waits.
            thread.join(1)
            assert thread.is_alive()
            connection.cut()
            thread.join(20)
        finally:
            os.kill(pid, signal.SIGCONT)
    assert freed == [HostUnreachable]
