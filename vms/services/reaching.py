"""Whether the dashboard reaches a VM's VNC screen over its host's transport, and who else reaches its screens."""

from __future__ import annotations

from typing import Any

from vms.libvirtxml import DomainXML, unreachable, where
from vms.models import Document, Host, Placement

# What the document of the next start can be changed to, so that the screen is reached.
REMEDIES = {
    "none": "listen-locally",
    "elsewhere": "listen-locally",
    "root_only": "listen-locally",
    "not_on_network": "listen-on-network",
}


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


def exposed(document: Document | None) -> list[dict[str, Any]]:
    """The screens that others than the dashboard reach now: {type, how: [network, no_password]}."""
    return [{"type": screen["type"], "how": screen["exposed"]} for screen in screens(document) if screen.get("exposed")]
