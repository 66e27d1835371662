"""Storage pools of a host."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import libvirt

from vms.libvirtxml import is_closed, parse, pool_sources, public_pool, source_document
from vms.virt.optional import listed, optional
from vms.virt.values import PoolInfo

# What is there already is never written over: a disk that looks empty to its owner may be another machine's.
BUILD: Final = {
    "fs": libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE,
    "disk": libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE,
    "logical": libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE,
}
# What a host says that is just making something in a pool, among other things.
BUSY: Final = (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_STORAGE)
# So long it is asked again whether it has done, and how often.
MAKES: Final = 30.0
AGAIN: Final = 0.05


class Pool:
    """A pool on its host. Every method raises VirtError leaves."""

    def __init__(self, handle: Any, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self.handle = handle
        self.guard = guard

    def info(self) -> PoolInfo:
        with self.guard():
            return describe(self.handle)

    def build(self, type: str, *, anew: bool = False) -> None:
        """Make the folder that it stands in; anew: make a file system, a partition table or a volume group on its
        device, which is refused where that holds data."""
        with self.guard():
            self.handle.build(BUILD.get(type, 0) if anew else 0)

    def start(self) -> None:
        with self.guard():
            self.handle.create(0)

    def stop(self) -> None:
        """What is in it stays where it is."""
        with self.guard():
            self.handle.destroy()

    def refresh(self) -> None:
        """Let the host look through it, as soon as it makes nothing there."""
        until = time.monotonic() + MAKES
        while not self.refreshed(time.monotonic() > until):
            time.sleep(AGAIN)

    def refreshed(self, last: bool) -> bool:
        """False, unless it is the last time, where it may be that something is just being made there."""
        with self.guard():
            try:
                self.handle.refresh(0)
            except libvirt.libvirtError as error:
                busy = (error.get_error_code(), error.get_error_domain()) == BUSY
                if last or not busy:
                    raise
                return False
            return True

    def is_closed(self) -> bool:
        """Whether its folder is root's and nobody else writes there, as the host saw it when it last looked through;
        what the folder itself lies in is not told."""
        with self.guard():
            return is_closed(self.handle.XMLDesc(0))

    def start_with_host(self, enabled: bool) -> None:
        with self.guard():
            self.handle.setAutostart(int(enabled))

    def undefine(self) -> None:
        """Let the host forget a stopped pool; what is in it stays where it is."""
        with self.guard():
            self.handle.undefine()

    def delete_volume(self, name: str) -> None:
        with self.guard():
            self.handle.storageVolLookupByName(name).delete(0)


def known(handle: Any) -> tuple[PoolInfo, ...]:
    """A host's storage pools by name; none where it has no driver for them."""
    found = (describe_if_there(pool) for pool in listed(handle.listAllStoragePools))
    return tuple(sorted((info for info in found if info), key=lambda info: info.name))


def describe_if_there(pool: Any) -> PoolInfo | None:
    """The value, or None for a pool that has vanished since it was listed."""
    try:
        return describe(pool)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL:
            return None
        raise


def describe(pool: Any) -> PoolInfo:
    active = bool(pool.isActive())
    text = optional(lambda: pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE), "") or pool.XMLDesc(0)
    document = parse(text)
    _, capacity, allocation, available = optional(pool.info, [0, 0, 0, 0]) if active else [0, 0, 0, 0]
    return PoolInfo(
        uuid=pool.UUIDString(),
        name=pool.name(),
        type=str(document.get("type") or ""),
        path=document.findtext("target/path") or "",
        active=active,
        autostart=bool(optional(pool.autostart, 0)),
        persistent=bool(optional(pool.isPersistent, 1)),
        capacity=capacity,
        allocation=allocation,
        available=available,
        document=public_pool(text),
    )


def types(handle: Any) -> tuple[str, ...]:
    """The types for which the host has a backend; () from a libvirt that cannot tell (before 5.2)."""
    told = optional(lambda: parse(handle.getStoragePoolCapabilities(0)), None)
    found = told.iterfind("pool") if told is not None else ()
    return tuple(sorted(str(pool.get("type")) for pool in found if pool.get("supported") == "yes"))


def sources(handle: Any, type: str, server: str, port: str, initiator: str) -> list[dict[str, str]]:
    """What findStoragePoolSources tells, in the fields of our own forms."""
    where = source_document(server, port, initiator) if server else None
    return pool_sources(handle.findStoragePoolSources(type, where, 0))
