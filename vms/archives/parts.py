"""The data of a disk that lies in another file, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator

from vms.archives.ova import Source
from vms.archives.reading import LARGEST, Read, exactly
from vms.archives.vmdk import read_vmdk
from vms.headers import ENOUGH, require


def read_parts(read: Read, source: Source) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) in ascending order: of a raw disk and of a VMDK what is not zeros, as its guest sees it; of qcow2
    the file's own bytes, all of them. What is judged is what is given: these very bytes. Raises RefusedImage,
    RefusedArchive."""

    def inside(offset: int, length: int) -> bytes:
        return read(source.offset + offset, min(length, max(source.length - offset, 0)))

    if source.format == "vmdk":
        yield from read_vmdk(inside, source.length)
        return
    first = exactly(inside, 0, min(source.length, ENOUGH))
    require(first, source.format, size=source.length)
    yield 0, first
    for at in range(len(first), source.length, LARGEST):
        data = exactly(inside, at, min(LARGEST, source.length - at))
        if source.format == "qcow2" or data.count(0) < len(data):
            yield at, data
