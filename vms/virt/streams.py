"""The bytes of a volume, in and out, through a stream of the host's connection.

libvirt calls sent what it has only queued, ends a stream that is too short without a word, and writes past the end of a
volume: so both ways carry exactly the bytes that were said, and only finish() says that the host has them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import libvirt

from vms.errors import StreamShort

if TYPE_CHECKING:
    from vms.virt.connection import Connection

# The most that is handed over in one call; a host frees the one that waits when it has taken it. libvirt's client makes
# a message of each: of 1 MiB they are new pages every time, which takes three times the processor.
BLOCK: Final = 1 << 18
# The most that is asked for in one stream to be read.
PIECE: Final = 16 << 20
# What recvFlags() answers where the next is a hole.
HOLE: Final = -3
SPARSE: Final = {
    "upload": libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM,
    "download": libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM,
}


class Upload:
    """Bytes on their way into a volume, in one thread; only what finish() has returned from is there.

    Every method raises VirtError leaves; the connection's cut() frees one that waits for the host.
    """

    def __init__(self, connection: Connection, stream: Any, length: int) -> None:
        self.connection = connection
        self.stream = stream
        self.left = length

    def send(self, data: bytes) -> None:
        """Hand them over, waiting while the host has not taken the former ones; ValueError for more than was said."""
        if len(data) > self.left:
            raise ValueError(f"{len(data)} bytes where {self.left} are left")
        start = 0
        with self.connection.guard():
            while start < len(data):
                sent = self.stream.send(data[start : start + BLOCK])
                start += sent
                self.left -= sent

    def skip(self, length: int) -> None:
        """Leave a hole, which reads as zeros and takes no room; of a stream that was begun as sparse."""
        if length > self.left:
            raise ValueError(f"a hole of {length} bytes where {self.left} are left")
        with self.connection.guard():
            self.stream.sendHole(length)
        self.left -= length

    def finish(self, *, short: bool = False) -> None:
        """Return when the host has written all of them; StreamShort, and nothing is certain, where fewer were sent.
        short: all that were sent, since this tells libvirt that there are no more (virStreamFinish)."""
        if self.left and not short:
            self.abort()
            raise StreamShort(left=self.left)
        with self.connection.guard():
            self.stream.finish()

    def abort(self) -> None:
        """Give up: which of the bytes are there is not known. Again, and after an error, is nothing."""
        with contextlib.suppress(libvirt.libvirtError):
            self.stream.abort()


class Download:
    """Bytes on their way out of a volume, in one thread; see Upload."""

    def __init__(self, connection: Connection, stream: Any, length: int) -> None:
        self.connection = connection
        self.stream = stream
        self.left = length

    def read(self, most: int = BLOCK) -> bytes:
        """Some of the next bytes, b"" after the last; StreamShort where the volume has fewer than were said."""
        if not self.left:
            return b""
        with self.connection.guard():
            data: bytes = self.stream.recv(min(most, BLOCK, self.left))
        if not data:
            raise StreamShort(left=self.left)
        self.left -= len(data)
        return data

    def read_or_hole(self, most: int = BLOCK) -> bytes | int:
        """Some of the next bytes, or how many of the next are a hole of zeros; of a stream that was begun as sparse."""
        with self.connection.guard():
            data = self.stream.recvFlags(min(most, BLOCK, self.left), libvirt.VIR_STREAM_RECV_STOP_AT_HOLE)
            if data == HOLE:
                length = min(int(self.stream.recvHole()), self.left)
                self.left -= length
                return length
        if not data:
            raise StreamShort(left=self.left)
        self.left -= len(data)
        return bytes(data)

    def finish(self) -> None:
        """Let the stream go after its last byte."""
        with self.connection.guard():
            self.stream.finish()

    def abort(self) -> None:
        """Let it go before. Again, and after an error, is nothing."""
        with contextlib.suppress(libvirt.libvirtError):
            self.stream.abort()


def upload(connection: Connection, pool: str, name: str, offset: int, length: int, *, sparse: bool = False) -> Upload:
    """The way for exactly length bytes, more than none, into the pool's volume from the offset on; sparse: with
    holes.

    Raises NotFound where the host does not know pool or volume, HostRefused where it does not let us.
    """
    return Upload(connection, begin(connection, pool, name, offset, length, "upload", sparse), length)


def download(
    connection: Connection, pool: str, name: str, offset: int, length: int, *, sparse: bool = False
) -> Download:
    """The way for exactly length bytes, more than none, out of the pool's volume from the offset on; see upload()."""
    return Download(connection, begin(connection, pool, name, offset, length, "download", sparse), length)


def in_pieces(begin: Callable[[int, int], Download], offset: int, length: int) -> Iterator[bytes]:
    """Blocks of so many bytes from the offset on; begin is download() of the volume. libvirt's client keeps whatever
    the host has sent until somebody reads it, a whole file if need be: so no more than PIECE is asked for at once."""
    for start in range(offset, offset + length, PIECE):
        way = begin(start, min(PIECE, offset + length - start))
        try:
            yield from iter(way.read, b"")
            way.finish()
        finally:
            way.abort()


def begin(connection: Connection, pool: str, name: str, offset: int, length: int, way: str, sparse: bool) -> Any:
    """libvirt's stream; ValueError for no length, which it would take for everything."""
    if length < 1:
        raise ValueError("a stream of no bytes")
    with connection.guard():
        volume = connection.handle.storagePoolLookupByName(pool).storageVolLookupByName(name)
        stream = connection.handle.newStream(0)
        getattr(volume, way)(stream, offset, length, SPARSE[way] if sparse else 0)
        return stream
