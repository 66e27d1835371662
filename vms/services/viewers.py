"""Looking at a VM's screen with another program, on a desk of its own: a line for a shell, or a file to open."""

from __future__ import annotations

import re
import shlex
from ipaddress import ip_address
from typing import Any, Final

from vms.libvirtxml import where
from vms.models import Document, Host, Placement
from vms.services import reaching
from vms.services.consoles import SHOWS_A_SCREEN

# What a file or a line may hold of a machine's address: names and IP addresses.
MACHINE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,253}\Z", re.ASCII)
STRANGE: Final = re.compile(r"[^A-Za-z0-9 ._-]+")
KINDS: Final = ("spice", "vnc")
PORTS: Final = range(1, 65536)


def line(placement: Placement, here: str) -> str:
    """The command for a desk that reaches the host by ssh; by UUID. here: how the desk calls this machine."""
    host = placement.host
    machine = host.address or here
    machine = f"[{machine}]" if ":" in machine else machine
    port = f":{host.port}" if host.transport == Host.Transport.SSH and host.port else ""
    address = f"qemu+ssh://{host.user or 'root'}@{machine}{port}/system"
    return f"virt-viewer -c {shlex.quote(address)} {placement.uuid}"


def file(placement: Placement, here: str) -> str | None:
    """A .vv file without a password, None where no screen listens on an address that other machines reach now."""
    if not placement.present or placement.state not in SHOWS_A_SCREEN:
        return None
    document = Document.objects.filter(placement=placement).only("facts").first()
    for kind in KINDS:
        for screen in reaching.screens(document):
            lines = entries(screen, placement.host.address or here) if screen["type"] == kind else []
            if lines:
                title = STRANGE.sub("_", placement.name)[:100]
                return "\n".join(["[virt-viewer]", *lines, f"title={title}", "delete-this-file=1", ""])
    return None


def entries(screen: dict[str, Any], machine: str) -> list[str]:
    """type, host and ports; none where others do not reach it."""
    place = where(screen["listen"], screen["address"])
    if place == "address":
        machine = literal(screen["address"])
    if place not in ("address", "everywhere") or not MACHINE.match(machine):
        return []
    ports = {"port": screen.get("port"), "tls-port": screen.get("tls_port")}
    said = [f"{name}={port}" for name, port in ports.items() if isinstance(port, int) and port in PORTS]
    return [f"type={screen['type']}", f"host={machine}", *said] if said else []


def literal(address: str | None) -> str:
    """The IP address, "" for what is none."""
    try:
        return str(ip_address(address or ""))
    except ValueError:
        return ""
