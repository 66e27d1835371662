"""Where somebody begins who sees a few VMs and nothing around them: with these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vms.kinds import KINDS, Kind
from vms.models import VirtualMachine
from vms.permissions import Who, held_each, is_administrator, visible_hosts
from vms.services.consoles import SHOWS_A_SCREEN
from vms.services.freshness import placed
from vms.services.headers import MAIN_STEP
from vms.services.lists import SHOWN, find_vms
from vms.services.rows import Row, make_rows

MOST: Final = 6


@dataclass(frozen=True)
class Card:
    """A VM as the front shows it. step: what is likely done with it next; console: whether its console is offered;
    screen: whether its screen is on the card."""

    row: Row
    step: Kind | None
    console: bool
    screen: bool


def few_vms(who: Who) -> list[VirtualMachine]:
    """All that he sees, where that is one to six VMs without their hosts; else none."""
    if is_administrator(who) or visible_hosts(who).exists():
        return []
    vms = list(find_vms(who).only(*SHOWN)[: MOST + 1])
    return vms if len(vms) <= MOST else []


def make_cards(vms: Sequence[VirtualMachine], who: Who) -> list[Card]:
    """Their cards in the same order; a query more than their rows."""
    rights = held_each(who, {"vm.screen"}, [vm.pk for vm in vms])
    graphics = {vm.pk: placed(vm).graphics for vm in vms}
    return [
        make_card(row, watches="vm.screen" in rights[int(row.pk)], vnc="vnc" in graphics[int(row.pk)])
        for row in make_rows(vms, who)
    ]


def make_card(row: Row, *, watches: bool, vnc: bool) -> Card:
    main = MAIN_STEP.get(row.shown, "")
    step = KINDS.get(main)
    return Card(
        row=row,
        step=step if step and step.verb not in row.lacks.split() else None,
        console=main == "console" and watches,
        screen=watches and vnc and row.shown in SHOWS_A_SCREEN,
    )
