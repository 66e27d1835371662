"""What pages show of a document without opening it: plain JSON."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vms.libvirtxml.domain import DomainXML, Graphics
from vms.libvirtxml.listening import exposed


def glance(domain: DomainXML, open_screens: Collection[str] | None = None) -> dict[str, Any]:
    """type, os, machine, firmware, disks, network cards, screens, channels, clipboard, serial.

    open_screens: of a VM that runs, the kinds of screen that take anybody without a password.
    """
    return {
        "type": domain.type,
        "os_type": domain.os_type,
        "arch": domain.arch,
        "machine": domain.machine,
        "firmware": "efi" if domain.firmware == "efi" or domain.loader else "bios",
        "disks": [
            {"target": disk.target, "bus": disk.bus, "device": disk.kind or "disk", "format": disk.format,
             "source": disk.source}
            for disk in domain.disks
        ],
        "interfaces": [
            {"mac": card.mac, "type": card.type, "source": card.network or card.bridge or card.device or "",
             "model": card.model}
            for card in domain.interfaces
        ],
        "graphics": [
            {"type": screen.type, "listen": screen.listen, "address": screen.address, "port": screen.port,
             "tls_port": screen.tls_port, "keymap": screen.keymap, "exposed": who_else(screen, open_screens)}
            for screen in domain.graphics
        ],
        "channels": domain.channels,
        "clipboard": domain.has_clipboard,
        "serial": domain.has_serial,
        "video": domain.has_video,
    }  # fmt: skip


def who_else(screen: Graphics, open_screens: Collection[str] | None) -> list[str]:
    """Who else than the dashboard reaches it now, in words; nobody while it does not run."""
    if open_screens is None or screen.type not in ("vnc", "spice"):
        return []
    return exposed(screen.listens, has_password=screen.type not in open_screens)


def without_password(domain: DomainXML) -> tuple[str, ...]:
    """The kinds of screen that listen on an address and have no password, of a document with its secrets."""
    return tuple(
        screen.type or ""
        for screen in domain.graphics
        if screen.listens not in ("none", "socket") and screen.password is None
    )
