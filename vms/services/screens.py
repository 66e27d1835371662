"""What a VM's console page can offer: a screen now, one after the next start, or the way to another program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vms.models import Document, Placement, VirtualMachine
from vms.services import reaching
from vms.services.consoles import SHOWS_A_SCREEN
from vms.services.freshness import freshness, placed, shown_state

Screen = Literal["ready", "off", "spice", "none", "unreachable", "pending", "silent", "gone"]


@dataclass(frozen=True)
class Offer:
    """screen: ready; off (VNC once it runs); spice or none (what it has instead of VNC); unreachable (missing says
    why, remedy is the verb that helps); pending (VNC that is reached from the next start on); silent (its host); gone.
    clipboard: the guest's clipboard can cross. keymap: what the document says of the guest's keyboard."""

    screen: Screen
    state: str
    has_spice: bool
    clipboard: bool
    missing: str = ""
    remedy: str = ""
    keymap: str = ""


def offer(vm: VirtualMachine) -> Offer:
    """What the page shows now, from the last-seen rows."""
    placement = placed(vm)
    shown = shown_state(placement, freshness(placement.host))
    document = Document.objects.filter(placement=placement).first() or Document()
    has_spice = "spice" in placement.graphics
    clipboard = bool(document.facts.get("clipboard"))
    missing = reaching.why_not(placement.host, reaching.screens(document))
    screen = which(shown, placement, document, missing)
    if screen == "unreachable":
        missing = missing or reaching.why_not_next(placement.host, reaching.next_boot(document))
    keymap = next((seen.get("keymap") or "" for seen in reaching.screens(document) if seen["type"] == "vnc"), "")
    return Offer(screen, shown, has_spice, clipboard, missing, reaching.REMEDIES.get(missing, ""), keymap)


def which(shown: str, placement: Placement, document: Document, missing: str) -> Screen:
    """missing: why the screen that was last seen is not reached."""
    if shown == "gone":
        return "gone"
    if shown == "silent":
        return "silent"
    if "vnc" in placement.graphics and not missing:
        return "ready" if shown in SHOWS_A_SCREEN else "off"
    domain = reaching.next_boot(document)
    then = domain.vnc if domain else None
    if then and not reaching.why_not_next(placement.host, domain):
        return "pending"
    if then or "vnc" in placement.graphics:
        return "unreachable"
    return "spice" if "spice" in placement.graphics else "none"
