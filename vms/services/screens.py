"""What a VM's console page can offer: a screen now, one after the next start, or the way to another program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vms.libvirtxml import BadXML, DomainXML
from vms.models import Document, VirtualMachine
from vms.services.consoles import SHOWS_A_SCREEN
from vms.services.freshness import freshness, placed, shown_state

Screen = Literal["ready", "off", "spice", "none", "pending", "silent", "gone"]


@dataclass(frozen=True)
class Offer:
    """screen: ready; off (VNC once it runs); spice or none (what it has instead of VNC); pending (VNC from the next
    start on); silent (its host); gone. clipboard: the guest's clipboard can cross."""

    screen: Screen
    state: str
    has_spice: bool
    clipboard: bool


def offer(vm: VirtualMachine) -> Offer:
    """What the page shows now, from the last-seen rows."""
    placement = placed(vm)
    shown = shown_state(placement, freshness(placement.host))
    document = Document.objects.filter(placement=placement).first() or Document()
    has_spice = "spice" in placement.graphics
    clipboard = bool(document.facts.get("clipboard"))
    return Offer(which(shown, placement.graphics, document), shown, has_spice, clipboard)


def which(shown: str, graphics: list[str], document: Document) -> Screen:
    if shown == "gone":
        return "gone"
    if shown == "silent":
        return "silent"
    if "vnc" in graphics:
        return "ready" if shown in SHOWS_A_SCREEN else "off"
    if "vnc" in next_graphics(document):
        return "pending"
    return "spice" if "spice" in graphics else "none"


def next_graphics(document: Document) -> list[str]:
    """The screens of the next start."""
    try:
        domain = DomainXML.parse(document.next_boot) if document.next_boot else None
    except BadXML:
        return []
    return [screen.type or "" for screen in domain.graphics] if domain else []
