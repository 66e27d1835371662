"""Making and removing domains, pools and volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import libvirt

from vms.virt import streams
from vms.virt.connection import Connection

EVERYTHING: Final = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


def remove_domain(connection: Connection, uuid: str) -> None:
    """Pull its plug and forget it; its volumes stay."""
    with connection.guard():
        handle = connection.handle.lookupByUUIDString(uuid)
        if handle.isActive():
            handle.destroy()
        handle.undefineFlags(EVERYTHING)


def make_pool(connection: Connection, document: str) -> None:
    """Define the pool with its folder, start it now and with the host."""
    with connection.guard():
        pool = connection.handle.storagePoolDefineXML(document)
        pool.build(0)
        pool.create()
        pool.setAutostart(1)


def start_pool(connection: Connection, name: str) -> None:
    """Active, and knowing what lies in it."""
    with connection.guard():
        pool = connection.handle.storagePoolLookupByName(name)
        if not pool.isActive():
            pool.create()
        pool.refresh(0)


def forget_pool(connection: Connection, name: str) -> None:
    """Undefine the pool; its folder stays, with what is in it."""
    with connection.guard():
        pool = connection.handle.storagePoolLookupByName(name)
        if pool.isActive():
            pool.destroy()
        pool.undefine()


def remove_pool(connection: Connection, name: str) -> None:
    """Remove an empty pool with its folder."""
    with connection.guard():
        pool = connection.handle.storagePoolLookupByName(name)
        pool.destroy()
        pool.delete(0)
        pool.undefine()


def volumes(connection: Connection, pool: str) -> list[str]:
    """The names of what lies in an active pool."""
    with connection.guard():
        return sorted(connection.handle.storagePoolLookupByName(pool).listVolumes())


def create_volume(connection: Connection, pool: str, document: str) -> str:
    """The new volume's path on the host."""
    with connection.guard():
        return str(connection.handle.storagePoolLookupByName(pool).createXML(document, 0).path())


def volume_path(connection: Connection, pool: str, name: str) -> str:
    """Where it is on the host."""
    with connection.guard():
        return str(lookup(connection, pool, name).path())


def delete_volume(connection: Connection, pool: str, name: str) -> None:
    with connection.guard():
        lookup(connection, pool, name).delete(0)


def upload(connection: Connection, pool: str, name: str, source: Path) -> None:
    """Fill the volume with the file, through the connection."""
    way = streams.upload(connection, pool, name, 0, source.stat().st_size)
    try:
        with source.open("rb") as file:
            while block := file.read(streams.BLOCK):
                way.send(block)
        way.finish()
    except BaseException:
        way.abort()
        raise


def lookup(connection: Connection, pool: str, name: str) -> Any:
    return connection.handle.storagePoolLookupByName(pool).storageVolLookupByName(name)
