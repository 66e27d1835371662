"""Whether the dashboard reaches a VM's VNC screen over its host's transport, and who else reaches its screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from vms.libvirtxml import BadXML, DomainXML, Listen, unreachable, where
from vms.models import Document, Host, Placement

# What the document of the next start can be changed to, so that the screen is reached.
REMEDIES = {
    "none": "listen-locally",
    "elsewhere": "listen-locally",
    "root_only": "listen-locally",
    "not_on_network": "listen-on-network",
}


# Where the relay reaches a screen without opening it to anybody else: the first of these over the host's transport.
CLOSED: Final[tuple[Listen, ...]] = ("none", "socket", "loopback")


def closed_place(host: Host | None) -> Listen:
    """Loopback also where the relay does not reach it: opening a screen to a network is asked for by itself."""
    if host is None:
        return "none"
    return next((place for place in CLOSED if not unreachable(host.transport, host.user, place)), "loopback")


def why_not_now(placement: Placement) -> str:
    """Why the first VNC screen that was last seen is not reached, "" when it is; a word of libvirtxml.unreachable()."""
    if placement.host.transport in ("local", "unix"):
        return ""
    document = Document.objects.filter(placement=placement).only("facts").first()
    return why_not(placement.host, screens(document)) if document else ""


def why_not(host: Host, screens: list[dict[str, Any]]) -> str:
    vnc = next((screen for screen in screens if screen["type"] == "vnc"), None)
    return unreachable(host.transport, host.user, where(vnc["listen"], vnc["address"])) if vnc else ""


def why_not_next(host: Host, domain: DomainXML | None) -> str:
    """The same for the next start."""
    return unreachable(host.transport, host.user, domain.vnc.listens) if domain and domain.vnc else ""


def screens(document: Document | None) -> list[dict[str, Any]]:
    """The screens as the watcher saw them."""
    found: list[dict[str, Any]] = document.facts.get("graphics", []) if document else []
    return found


@dataclass(frozen=True)
class Exposed:
    """A screen that others than the dashboard reach now. how: network, no_password. remedy: the verb that ends it from
    the next start on, "" for none; waits: that has been done."""

    type: str
    how: list[str]
    remedy: str = ""
    waits: bool = False


def exposed(placement: Placement, document: Document | None) -> list[Exposed]:
    """The exposed screens of a VM that runs."""
    return [
        Exposed(screen["type"], screen["exposed"], remedy(placement.host, screen), waits(document, screen))
        for screen in screens(document)
        if screen.get("exposed")
    ]


def remedy(host: Host, screen: dict[str, Any]) -> str:
    """Where the relay reaches a screen over the network only, a password is all that can be added."""
    if screen["type"] != "vnc":
        return ""
    if not unreachable(host.transport, host.user, "loopback"):
        return "listen-locally"
    return "listen-on-network" if "no_password" in screen["exposed"] else ""


def waits(document: Document | None, screen: dict[str, Any]) -> bool:
    """Whether the VNC screen of the next start is off the network already."""
    domain = next_boot(document)
    vnc = domain.vnc if domain and screen["type"] == "vnc" and "network" in screen["exposed"] else None
    return vnc is not None and vnc.listens in ("none", "socket", "loopback")


def next_boot(document: Document | None) -> DomainXML | None:
    """The document of the next start."""
    try:
        return DomainXML.parse(document.next_boot) if document and document.next_boot else None
    except BadXML:
        return None
