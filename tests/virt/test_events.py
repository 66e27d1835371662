"""What libvirt's callbacks are made into; the handle is a stand-in that keeps them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import libvirt
import pytest

from vms.virt import Connection, DomainBroke, DomainChanged, Event, watch

UUID = "5f1c9c52-7c1e-4d0e-9b34-6f0c2a7c1a11"
DOMAIN = SimpleNamespace(UUIDString=lambda: UUID)


class Handle:
    """A connection's handle as far as watch() uses it."""

    def __init__(self) -> None:
        self.callbacks: dict[int, Callable[..., None]] = {}

    def domainEventRegisterAny(self, domain: None, number: int, callback: Callable[..., None], opaque: None) -> int:
        self.callbacks[number] = callback
        return number

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *words: 0


@pytest.mark.parametrize(
    ("number", "details", "broke"),
    [
        (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, (libvirt.VIR_DOMAIN_EVENT_CRASHED, 0), DomainBroke(UUID, "panicked")),
        (
            libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED),
            None,
        ),
        (
            libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG,
            (libvirt.VIR_DOMAIN_EVENT_WATCHDOG_RESET,),
            DomainBroke(UUID, "watchdog", "reset"),
        ),
        (
            libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
            ("/srv/secret/path.qcow2", "virtio-disk0", libvirt.VIR_DOMAIN_EVENT_IO_ERROR_PAUSE, "enospc"),
            DomainBroke(UUID, "disk", "pause", "virtio-disk0", "enospc"),
        ),
        (libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG, (99,), DomainBroke(UUID, "watchdog", "")),
    ],
)
def test_what_broke_is_told_beside_that_it_is_to_be_read(
    number: int, details: tuple[Any, ...], broke: DomainBroke | None
) -> None:
    seen: list[Event] = []
    handle = Handle()
    with watch(cast(Connection, SimpleNamespace(handle=handle)), seen.append):
        handle.callbacks[number](None, DOMAIN, *details, None)
    assert seen == [*([broke] if broke else []), DomainChanged(UUID)]
