"""The bytes of a volume, in and out, through a stream of the host's connection.

libvirt calls sent what it has only queued, ends a stream that is too short without a word, and writes past the end of a
volume: so both ways carry exactly the bytes that were said, and only finish() says that the host has them. It also
forgets that the last of what it had queued could not be written (virFDStreamCloseInt), as on a disk that is full: so
finish() reads the end of it back.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import libvirt

from vms.errors import HostRefused, StreamShort

if TYPE_CHECKING:
    from vms.virt.connection import Connection

# The most that is handed over in one call; a host frees the one that waits when it has taken it. libvirt's client makes
# a message of each: of 1 MiB they are new pages every time, which takes three times the processor.
BLOCK: Final = 1 << 18
# So much of the end is read back. The host writes in order and stops at its first failure.
PROOF: Final = 4096
# The most that is asked for in one libvirt stream to be read, and where nothing but a hole came.
PIECE: Final = 16 << 20
HOLES: Final = 1 << 30
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

    def __init__(self, connection: Connection, volume: Any, offset: int, length: int, *, sparse: bool = False) -> None:
        more_than_none(length)
        self.connection = connection
        self.volume = volume
        self.at = offset
        self.left = length
        # Where the last bytes went, and the last that are not zeros, which what was never written looks like.
        self.end: tuple[int, bytes] | None = None
        self.mark: tuple[int, bytes] | None = None
        with connection.guard():
            self.stream = connection.handle.newStream(0)
            volume.upload(self.stream, offset, length, SPARSE["upload"] if sparse else 0)

    def send(self, data: bytes) -> None:
        """Hand them over, waiting while the host has not taken the former ones; ValueError for more than was said."""
        if len(data) > self.left:
            raise ValueError(f"{len(data)} bytes where {self.left} are left")
        start = 0
        with self.connection.guard():
            while start < len(data):
                sent = self.stream.send(data[start : start + BLOCK])
                self.went(data[start : start + sent])
                start += sent

    def went(self, data: bytes) -> None:
        """They are on their way."""
        self.end = (max(self.at, self.at + len(data) - PROOF), data[-PROOF:])
        if solid := data.rstrip(b"\0"):
            self.mark = (max(self.at, self.at + len(solid) - PROOF), solid[-PROOF:])
        self.at += len(data)
        self.left -= len(data)

    def skip(self, length: int) -> None:
        """Leave a hole, which reads as zeros and takes no room; of a stream that was begun as sparse."""
        if length > self.left:
            raise ValueError(f"a hole of {length} bytes where {self.left} are left")
        with self.connection.guard():
            self.stream.sendHole(length)
        self.at += length
        self.left -= length

    def finish(self, *, short: bool = False) -> None:
        """Return when the host has written all of them; StreamShort, and nothing is certain, where fewer were sent.
        short: all that were sent, since this tells libvirt that there are no more (virStreamFinish)."""
        if self.left and not short:
            self.abort()
            raise StreamShort(left=self.left)
        with self.connection.guard():
            self.stream.finish()
        for at, wanted in filter(None, {self.mark, self.end}):
            if self.found(at, len(wanted)) != wanted:
                raise HostRefused("Not all of it was written. Is there no space left?")

    def found(self, at: int, length: int) -> bytes:
        """What the host has there; b"" where it has less."""
        way = Download(self.connection, self.volume, at, length)
        try:
            data = b"".join(iter(way.read, b""))
            way.finish()
        except StreamShort:
            return b""
        finally:
            way.abort()
        return data

    def abort(self) -> None:
        """Give up: which of the bytes are there is not known. Again, and after an error, is nothing."""
        with contextlib.suppress(libvirt.libvirtError):
            self.stream.abort()


class Download:
    """Bytes on their way out of a volume, in one thread; see Upload. left: those that are still to come.

    libvirt's client keeps whatever the host has sent until somebody reads it, a whole volume if need be: so each stream
    of libvirt's asks for PIECE at most, and the next begins when it was read.
    """

    def __init__(self, connection: Connection, volume: Any, offset: int, length: int, *, sparse: bool = False) -> None:
        more_than_none(length)
        self.connection = connection
        self.volume = volume
        self.flags = SPARSE["download"] if sparse else 0
        self.at = offset
        self.left = length
        self.most = PIECE
        self.begin()

    def begin(self) -> None:
        """The libvirt stream of the next piece."""
        self.piece = min(self.most, self.left)
        with self.connection.guard():
            self.stream = self.connection.handle.newStream(0)
            self.volume.download(self.stream, self.at, self.piece, self.flags)

    def go_on(self) -> None:
        """The next piece, where this one was read."""
        if not self.piece and self.left:
            self.finish()
            self.begin()

    def came(self, length: int) -> None:
        self.at += length
        self.left -= length
        self.piece -= length

    def read(self, most: int = BLOCK) -> bytes:
        """Some of the next bytes, b"" after the last; StreamShort where the volume has fewer than were said."""
        if not self.left:
            return b""
        self.go_on()
        with self.connection.guard():
            data: bytes = self.stream.recv(min(most, BLOCK, self.piece))
        if not data:
            raise StreamShort(left=self.left)
        self.came(len(data))
        return data

    def read_or_hole(self, most: int = BLOCK) -> bytes | int:
        """Some of the next bytes, or how many of the next are a hole of zeros; of a stream that was begun as sparse."""
        self.go_on()
        with self.connection.guard():
            data = self.stream.recvFlags(min(most, BLOCK, self.piece), libvirt.VIR_STREAM_RECV_STOP_AT_HOLE)
            if data == HOLE:
                length = min(int(self.stream.recvHole()), self.piece)
                self.came(length)
                # Holes are no bytes to be kept: behind one, more is asked for.
                self.most = min(2 * self.most, HOLES)
                return length
        if not data:
            raise StreamShort(left=self.left)
        self.came(len(data))
        self.most = PIECE
        if self.piece > PIECE:
            # The rest might be bytes, too.
            self.abort()
            self.begin()
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
    with connection.guard():
        volume = connection.handle.storagePoolLookupByName(pool).storageVolLookupByName(name)
    return Upload(connection, volume, offset, length, sparse=sparse)


def more_than_none(length: int) -> None:
    """Nothing, or ValueError for no length, which libvirt would take for everything."""
    if length < 1:
        raise ValueError("a stream of no bytes")
