"""Volumes of a host's storage pools."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import libvirt

from vms.errors import NameTaken
from vms.libvirtxml import BadXML, VolumeXML, volume_document
from vms.virt.streams import Download, Upload
from vms.virt.values import VolumeFacts

if TYPE_CHECKING:
    from vms.virt.connection import Connection


SMALL: Final = 1 << 20


class Volume:
    """A volume on its host. Every method raises VirtError leaves."""

    def __init__(self, connection: Connection, pool: Any, handle: Any) -> None:
        self.connection = connection
        self.guard = connection.guard
        self.pool = str(pool.name())
        self.handle = handle

    def facts(self) -> VolumeFacts:
        """What the host tells of it now."""
        with self.guard():
            return describe(self.handle)

    def grow(self, capacity: int) -> None:
        """Let it become so many bytes, which it is told to its guest by nobody."""
        with self.guard():
            self.handle.resize(capacity, 0)

    def wipe(self) -> None:
        """Write zeros over all of it; what was in it is gone."""
        with self.guard():
            self.handle.wipe(0)

    def delete(self) -> None:
        with self.guard():
            self.handle.delete(0)

    def download(self, offset: int, length: int, *, sparse: bool = False) -> Download:
        """The way for exactly length bytes, more than none, out of it; sparse: with its holes told as such."""
        return Download(self.connection, self.handle, offset, length, sparse=sparse)

    def blocks(self, offset: int, length: int) -> Iterator[bytes]:
        """So many of its bytes from the offset on, in order."""
        if not length:
            return
        way = self.download(offset, length)
        try:
            yield from iter(way.read, b"")
            way.finish()
        finally:
            way.abort()

    def upload(self, offset: int, length: int, *, sparse: bool = False) -> Upload:
        """The way for exactly length bytes into it; sparse: holes may be left."""
        return Upload(self.connection, self.handle, offset, length, sparse=sparse)


def known(pool: Any) -> list[VolumeFacts]:
    """All that the pool lists, by name: one call for the list and one for each."""
    found = (told(volume) for volume in pool.listAllVolumes(0))
    return sorted((facts for facts in found if facts), key=lambda facts: facts.name)


def told(volume: Any) -> VolumeFacts | None:
    """None for one that has vanished since it was listed, or whose document is none."""
    try:
        return describe(volume)
    except BadXML:
        return None
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
            return None
        raise


def describe(volume: Any) -> VolumeFacts:
    document = VolumeXML(volume.XMLDesc(0))
    capacity = document.capacity or 0
    return VolumeFacts(
        name=volume.name(),
        kind=document.type or "file",
        path=document.path or volume.path() or "",
        format=document.format or "",
        capacity=capacity,
        allocation=document.allocation or 0,
        physical=document.physical or capacity,
        backing_path=document.backing_path or "",
        mtime=seconds(document.mtime),
    )


def seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def create(pool: Any, document: str, name: str) -> Any:
    """The new volume. What was put there since the host last looked would be written over: qemu-img asks nobody, and
    writes through a link that leads nowhere, which no host lists."""
    if VolumeXML(document).format in (None, "raw"):
        refuse_taken(pool, name)
        return pool.createXML(document, 0)
    if name in pool.listVolumes():
        refuse_taken(pool, name)
    try:
        # A raw one is refused where there is anything (O_EXCL), without a look at all that is in the pool.
        small = pool.createXML(volume_document(name, SMALL, "raw", whole=False), 0)
    except libvirt.libvirtError:
        refuse_taken(pool, name)
        raise
    small.delete(0)
    return pool.createXML(document, 0)


def refuse_taken(pool: Any, name: str) -> None:
    """NameTaken where something of that name is there; the host looks through the pool before."""
    # One in which another volume is just being made is not looked through.
    with contextlib.suppress(libvirt.libvirtError):
        pool.refresh(0)
    if name in pool.listVolumes():
        raise NameTaken(name=name)
