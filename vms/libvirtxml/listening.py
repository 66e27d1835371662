"""Where a VNC or SPICE screen listens: whether the dashboard reaches it over its host's transport, and who else."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final, Literal

Where = Literal["none", "socket", "loopback", "everywhere", "address"]

LOOPBACK: Final = {4: "127.0.0.1", 6: "::1"}


def where(listen: str | None, address: str | None) -> Where:
    """none: nothing listens. socket: libvirt's own unix socket. loopback, everywhere: of the host. address: one or
    some of its network addresses. An address that is not written is libvirt's own choice, which is loopback."""
    if listen in ("none", "socket"):
        return "none" if listen == "none" else "socket"
    if not address:
        return "address" if listen == "network" else "loopback"
    if address == "localhost":
        return "loopback"
    try:
        found = ip_address(address)
    except ValueError:
        return "address"
    if found.is_loopback:
        return "loopback"
    return "everywhere" if found.is_unspecified else "address"


def unreachable(transport: str, user: str, listens: Where) -> str:
    """Why the relay cannot reach the screen over that transport, "" when it can.

    none, elsewhere, root_only: over ssh, where no user is root. not_on_network: over tls and tcp. On this machine
    libvirt hands out the screen itself, wherever it listens.
    """
    if transport in ("local", "unix"):
        return ""
    if transport == "ssh":
        # libvirt's folders are closed to all but root and the user that QEMU runs as (decisions M4).
        if listens == "socket":
            return "" if user in ("", "root") else "root_only"
        return {"none": "none", "address": "elsewhere"}.get(listens, "")
    return "" if listens in ("everywhere", "address") else "not_on_network"


def loopback(address: str | None) -> str:
    """The loopback address at which a screen that listens on loopback or everywhere is reached, never another."""
    try:
        return LOOPBACK[ip_address(address or "127.0.0.1").version]
    except ValueError:
        return LOOPBACK[4]


def exposed(listens: Where, *, has_password: bool | None) -> list[str]:
    """Who else reaches it, in words: network, no_password; has_password None: not known."""
    if listens in ("none", "socket"):
        return []
    words = ["network"] if listens in ("everywhere", "address") else []
    return [*words, "no_password"] if has_password is False else words
