"""Giving a VM a screen that the browser can show."""

from __future__ import annotations

from lxml.builder import E

from vms.libvirtxml.domain import DomainXML


def add_vnc_screen(domain: DomainXML) -> bool:
    """Add VNC without a port beside the screens that are there, and a video card where there is none.

    Whether anything was added: False when there is a VNC screen already.
    """
    if any(screen.type == "vnc" for screen in domain.graphics):
        return False
    devices = domain.devices
    screens = devices.findall("graphics")
    graphics = E.graphics(E.listen(type="none"), type="vnc")
    if screens:
        screens[-1].addnext(graphics)
    else:
        devices.append(graphics)
    if not domain.has_video:
        for video in devices.findall("video"):
            devices.remove(video)
        model = "vga" if domain.arch in ("x86_64", "i686") else "virtio"
        graphics.addnext(E.video(E.model(type=model)))
    return True
