"""Giving a VM a screen that the browser can show, and letting a screen listen where the dashboard reaches it."""

from __future__ import annotations

import secrets
import string
from typing import Final, Literal

from lxml import etree
from lxml.builder import E

from vms.libvirtxml.domain import DomainXML, Graphics

Listen = Literal["none", "socket", "loopback", "everywhere"]

ADDRESSES: Final = {"loopback": "127.0.0.1", "everywhere": "0.0.0.0"}
# VNC takes eight characters.
LETTERS: Final = string.ascii_letters + string.digits
LONGEST_PASSWORD: Final = 8
LONG_AGO: Final = "1970-01-01T00:00:00"


def new_password() -> str:
    """A random one, as long as VNC takes it."""
    return "".join(secrets.choice(LETTERS) for _ in range(LONGEST_PASSWORD))


def add_vnc_screen(domain: DomainXML, listen: Listen = "none") -> bool:
    """Add VNC that listens there beside the screens that are there, and a video card where there is none.

    Whether anything was added: False when there is a VNC screen already.
    """
    if domain.vnc is not None:
        return False
    devices = domain.devices
    screens = devices.findall("graphics")
    graphics = E.graphics(E.listen(type="none"), type="vnc")
    if screens:
        screens[-1].addnext(graphics)
    else:
        devices.append(graphics)
    set_listen(Graphics(graphics), listen)
    if not domain.has_video:
        for video in devices.findall("video"):
            devices.remove(video)
        model = "vga" if domain.arch in ("x86_64", "i686") else "virtio"
        graphics.addnext(E.video(E.model(type=model)))
    return True


def let_vnc_listen(domain: DomainXML, listen: Listen) -> bool:
    """Let the VNC screen listen there, on an address with a password; its other settings and the other screens stay.

    Whether that is a change.
    """
    screen = domain.vnc
    if screen is None or (screen.listens == listen and (listen not in ADDRESSES or screen.password is not None)):
        return False
    if screen.listens == listen:
        lock(screen)
    else:
        set_listen(screen, listen)
    return True


def set_listen(screen: Graphics, listen: Listen) -> None:
    """One that gets a port gets a password too, which nobody knows and which has lapsed: QEMU then asks for one,
    and takes those that the relay sets for a console."""
    element = screen.element
    first, *others = element.findall("listen") or [etree.SubElement(element, "listen")]
    for other in others:
        element.remove(other)
    for name in ("type", "address", "network", "socket"):
        first.attrib.pop(name, "")
    for name in ("listen", "socket"):
        element.attrib.pop(name, "")
    address = ADDRESSES.get(listen)
    first.set("type", "address" if address else listen)
    if address is None:
        return
    first.set("address", address)
    if screen.port is None:
        element.set("autoport", "yes")
    lock(screen)


def lock(screen: Graphics) -> None:
    """Set a lapsed password where there is none."""
    if screen.password is None:
        screen.password, screen.password_until = new_password(), LONG_AGO
