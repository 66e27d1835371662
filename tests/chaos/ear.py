"""What the host itself tells of its guests: how often each was reset, how often a copy of its disk came to its end."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import libvirt
import libvirt_qemu

from tests.lab.machine import LabHost
from vms.virt import loop


class Ear:
    """Listens on a connection of its own until close(); counts by UUID."""

    def __init__(self, host: LabHost) -> None:
        loop.start()
        self.resets: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        self.connection = host.connect()
        # libvirt's own event does not tell a button that was pressed from a BIOS that starts itself once more.
        self.resetting = libvirt_qemu.qemuMonitorEventRegister(self.connection, None, "RESET", self.reset, None, 0)
        self.copying = self.connection.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, self.copy, None
        )  # fmt: skip

    def reset(
        self, connection: Any, domain: Any, event: str, seconds: int, micros: int, details: str, opaque: Any
    ) -> None:
        if not json.loads(details)["guest"]:
            self.resets[domain.UUIDString()] += 1

    def copy(self, connection: Any, domain: Any, disk: str, kind: int, status: int, opaque: Any) -> None:
        if status == libvirt.VIR_DOMAIN_BLOCK_JOB_READY:
            self.copies[domain.UUIDString()] += 1

    def close(self) -> None:
        libvirt_qemu.qemuMonitorEventDeregister(self.connection, self.resetting)
        self.connection.domainEventDeregisterAny(self.copying)
        self.connection.close()
