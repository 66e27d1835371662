"""What pages show of a document without opening it: plain JSON."""

from __future__ import annotations

from typing import Any

from vms.libvirtxml.domain import DomainXML


def glance(domain: DomainXML) -> dict[str, Any]:
    """type, os, machine, firmware, disks, network cards, screens, channels, clipboard, serial."""
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
             "tls_port": screen.tls_port}
            for screen in domain.graphics
        ],
        "channels": domain.channels,
        "clipboard": domain.has_clipboard,
        "serial": domain.has_serial,
        "video": domain.has_video,
    }  # fmt: skip
