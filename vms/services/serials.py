"""What the page of a VM's serial line can offer: the line now, or one after the next start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vms.models import Document, Placement, VirtualMachine
from vms.services.consoles import SHOWS_A_SCREEN
from vms.services.freshness import freshness, placed, shown_state
from vms.services.reaching import next_boot

SerialLine = Literal["ready", "off", "none", "pending", "silent", "gone"]


@dataclass(frozen=True)
class SerialOffer:
    """line: ready; off (once it runs); none; pending (from the next start on); silent (its host); gone."""

    line: SerialLine
    state: str


def serial_offer(vm: VirtualMachine) -> SerialOffer:
    """What the page shows now, from the last-seen rows."""
    placement = placed(vm)
    shown = shown_state(placement, freshness(placement.host))
    return SerialOffer(which(shown, placement), shown)


def which(shown: str, placement: Placement) -> SerialLine:
    if shown == "gone":
        return "gone"
    if shown == "silent":
        return "silent"
    if placement.serials:
        return "ready" if shown in SHOWS_A_SCREEN else "off"
    domain = next_boot(Document.objects.filter(placement=placement).first())
    return "pending" if domain and domain.serials else "none"


def opens_on_serial(vm: VirtualMachine) -> bool:
    """Whether the console is the serial line, unless the screen is asked for: there is no screen, but a line."""
    placement = placed(vm)
    return "vnc" not in placement.graphics and bool(placement.serials)
