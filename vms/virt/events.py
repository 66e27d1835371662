"""What a host tells by itself: names of what to read again, never what it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import libvirt

from vms.virt.connection import Connection
from vms.virt.devices import is_card_of_vm


@dataclass(frozen=True)
class DomainChanged:
    uuid: str


@dataclass(frozen=True)
class DomainRebooted:
    """The guest was reset or rebooted itself; the run goes on."""

    uuid: str


@dataclass(frozen=True)
class DomainBroke:
    """Something in it went wrong by itself, and no state tells what. what: panicked, crash_loaded (another kernel
    writes a dump now), watchdog or disk; action: what was done about it, by libvirt's words (pause, reset, report);
    device: the disk's alias in this run; reason: of a disk (enospc, eio)."""

    uuid: str
    what: str
    action: str = ""
    device: str = ""
    reason: str = ""


@dataclass(frozen=True)
class NetworkChanged:
    name: str


@dataclass(frozen=True)
class PoolChanged:
    name: str


@dataclass(frozen=True)
class DevicesChanged:
    """A device of the host came, went or is another now."""


@dataclass(frozen=True)
class SecretChanged:
    uuid: str


@dataclass(frozen=True)
class Disconnected:
    """The last event of a connection."""


Event = (
    DomainChanged
    | DomainRebooted
    | DomainBroke
    | NetworkChanged
    | PoolChanged
    | SecretChanged
    | DevicesChanged
    | Disconnected
)

# What changes a document or a state; a guest's clock and its balloon are not shown from here.
DOMAIN_EVENTS: Final = (
    "TRAY_CHANGE", "DEVICE_ADDED", "DEVICE_REMOVED", "PMWAKEUP", "PMSUSPEND", "PMSUSPEND_DISK",
    "METADATA_CHANGE", "DISK_CHANGE", "BLOCK_JOB_2", "AGENT_LIFECYCLE",
)  # fmt: skip
CRASHES: Final = {
    libvirt.VIR_DOMAIN_EVENT_CRASHED_PANICKED: "panicked",
    libvirt.VIR_DOMAIN_EVENT_CRASHED_CRASHLOADED: "crash_loaded",
}
# What a host says is input.
LONGEST_WORD: Final = 60


def actions(prefix: str) -> dict[int, str]:
    """libvirt's numbers for what was done about something, and their words."""
    return {
        getattr(libvirt, name): name.removeprefix(prefix).lower() for name in dir(libvirt) if name.startswith(prefix)
    }


WATCHDOG: Final = actions("VIR_DOMAIN_EVENT_WATCHDOG_")
IO_ERROR: Final = actions("VIR_DOMAIN_EVENT_IO_ERROR_")


@contextmanager
def watch(connection: Connection, on_event: Callable[[Event], None]) -> Iterator[None]:
    """Hand every event to on_event while inside. It is called from libvirt's loop: it must not block, nor ask libvirt.

    What a driver does not support is left out.
    """
    handle = connection.handle
    undo: list[Callable[[], Any]] = []

    def domain_changed(conn: Any, domain: Any, *details: Any) -> None:
        on_event(DomainChanged(domain.UUIDString()))

    def domain_rebooted(conn: Any, domain: Any, *details: Any) -> None:
        on_event(DomainRebooted(domain.UUIDString()))

    def domain_lived(conn: Any, domain: Any, event: int, detail: int, opaque: Any) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_CRASHED and detail in CRASHES:
            on_event(DomainBroke(domain.UUIDString(), CRASHES[detail]))
        domain_changed(conn, domain)

    def watchdog_fired(conn: Any, domain: Any, action: int, opaque: Any) -> None:
        on_event(DomainBroke(domain.UUIDString(), "watchdog", WATCHDOG.get(action, "")))
        domain_changed(conn, domain)

    def disk_failed(conn: Any, domain: Any, path: str, alias: str, action: int, reason: str, opaque: Any) -> None:
        device, why = (word[:LONGEST_WORD] for word in (alias or "", reason or ""))
        on_event(DomainBroke(domain.UUIDString(), "disk", IO_ERROR.get(action, ""), device, why))
        domain_changed(conn, domain)

    def network_changed(conn: Any, network: Any, *details: Any) -> None:
        on_event(NetworkChanged(network.name()))

    def pool_changed(conn: Any, pool: Any, *details: Any) -> None:
        on_event(PoolChanged(pool.name()))

    def devices_changed(conn: Any, device: Any, *details: Any) -> None:
        if not is_card_of_vm(device.name()):
            on_event(DevicesChanged())

    def secret_changed(conn: Any, secret: Any, *details: Any) -> None:
        on_event(SecretChanged(secret.UUIDString()))

    def closed(conn: Any, reason: int, opaque: Any) -> None:
        connection.broken.set()
        on_event(Disconnected())

    def register(kind: str, number: int, callback: Callable[..., None]) -> None:
        with contextlib.suppress(libvirt.libvirtError):
            key = getattr(handle, f"{kind}EventRegisterAny")(None, number, callback, None)
            undo.append(lambda: getattr(handle, f"{kind}EventDeregisterAny")(key))

    for name in DOMAIN_EVENTS:
        register("domain", getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}"), domain_changed)
    register("domain", libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, domain_lived)
    register("domain", libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG, watchdog_fired)
    register("domain", libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, disk_failed)
    register("domain", libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, domain_rebooted)
    register("network", libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, network_changed)
    register("storagePool", libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, pool_changed)
    register("storagePool", libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, pool_changed)
    register("nodeDevice", libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE, devices_changed)
    register("nodeDevice", libvirt.VIR_NODE_DEVICE_EVENT_ID_UPDATE, devices_changed)
    register("secret", libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE, secret_changed)
    with contextlib.suppress(libvirt.libvirtError):
        handle.unregisterCloseCallback()
    with contextlib.suppress(libvirt.libvirtError):
        handle.registerCloseCallback(closed, None)
    try:
        yield
    finally:
        for step in undo:
            with contextlib.suppress(libvirt.libvirtError):
                step()
