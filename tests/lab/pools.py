"""Pools of a lab host, and the volumes in them, without the dashboard."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import libvirt
from lxml import etree
from lxml.builder import E

from tests.lab.machine import LabHost


@dataclass(frozen=True)
class LabPool:
    """A folder as a pool; the host itself knows the folder below /var/lib/libvirt/images."""

    host: LabHost
    name: str
    uuid: str

    @property
    def folder(self) -> Path:
        """Seen from here; nothing is in it where the host has mounted something there."""
        return self.host.images / self.name

    @property
    def path(self) -> str:
        """Seen by the host."""
        return f"/var/lib/libvirt/images/{self.name}"

    def names(self) -> list[str]:
        """What the host lists in it, looked through anew."""
        connection = self.host.connect()
        pool = connection.storagePoolLookupByUUIDString(self.uuid)
        pool.refresh()
        names = sorted(pool.listVolumes())
        connection.close()
        return names

    def make(self, name: str, size: int) -> None:
        """A raw volume, empty."""
        connection = self.host.connect()
        document = E.volume(E.name(name), E.capacity(str(size)), E.allocation("0"), E.target(E.format(type="raw")))
        connection.storagePoolLookupByUUIDString(self.uuid).createXML(etree.tostring(document, encoding="unicode"))
        connection.close()


@contextmanager
def folder_pool(host: LabHost, *, disk: str = "") -> Iterator[LabPool]:
    """An active pool in a folder of its own. disk: the size of a file system that holds nothing else ("16m")."""
    made = LabPool(host, f"pool-{uuid.uuid4().hex[:8]}", str(uuid.uuid4()))
    made.folder.mkdir()
    if disk:
        host.run("mount", "-t", "tmpfs", "-o", f"size={disk}", "tmpfs", made.path)
    document = E.pool(E.name(made.name), E.uuid(made.uuid), E.target(E.path(made.path)), type="dir")
    connection = host.connect()
    connection.storagePoolDefineXML(etree.tostring(document, encoding="unicode")).create()
    try:
        yield made
    finally:
        with suppress(libvirt.libvirtError):
            there = connection.storagePoolLookupByUUIDString(made.uuid)
            if there.isActive():
                there.destroy()
            there.undefine()
        connection.close()
        if disk:
            # Whoever had just a file open there lets it go in a moment.
            host.run("umount", "--lazy", made.path)
