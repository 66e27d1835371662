"""Pictures of VMs' screens: who may see them, which there are now, and asking for new ones.

Nothing here waits for a host: what the watcher took lately is shown, and what is older is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext

from vms import live
from vms.errors import NoPicture
from vms.models import LastScreen, VirtualMachine
from vms.permissions import Who, held_each, holds_somewhere, visible_vms
from vms.services.abilities import shows_screens
from vms.services.consoles import SHOWS_A_SCREEN
from vms.services.freshness import freshness, placed
from vms.services.lists import SHOWN
from vms.services.rows import Row

PRIVILEGE: Final = "vm.screen"
# In view at once.
MOST: Final = 100


@dataclass(frozen=True)
class Tile:
    """A VM on the wall. screen: whether it has one that is shown now; why: what stands there instead, as text, beside
    the glyph of its state; "" where the state says it."""

    row: Row
    screen: bool
    why: str


def watches(who: Who) -> bool:
    """Whether he may see the screen of anything; one query, for an administrator none."""
    return holds_somewhere(who, PRIVILEGE)


def is_shown(vm: VirtualMachine) -> bool:
    """Whether it has a screen now that can be asked for."""
    placement = placed(vm)
    return bool(
        placement.present
        and placement.run_id is not None
        and placement.state in SHOWS_A_SCREEN
        and placement.graphics
        and shows_screens(placement.host.driver)
        and freshness(placement.host) == "live"
    )


def make_tiles(vms: Sequence[VirtualMachine], rows: Sequence[Row], who: Who) -> list[Tile]:
    """The tiles of these rows, in their order; vms: of which they were made."""
    rights = held_each(who, {PRIVILEGE}, [vm.pk for vm in vms])
    there = {str(vm.pk): vm for vm in vms}
    return [make_tile(row, there[row.pk], watches=PRIVILEGE in rights[int(row.pk)]) for row in rows]


def make_tile(row: Row, vm: VirtualMachine, *, watches: bool) -> Tile:
    if not watches:
        return Tile(row, False, gettext("You may not see its screen."))
    if is_shown(vm):
        return Tile(row, True, "")
    runs = placed(vm).run_id is not None and row.shown in SHOWS_A_SCREEN
    return Tile(row, False, gettext("It has no screen.") if runs else "")


def look(vms: Collection[VirtualMachine]) -> None:
    """Ask the watchers for new pictures; each VM's is taken once in two seconds at most, however many ask."""
    by_host: dict[int, list[str]] = {}
    for vm in vms:
        by_host.setdefault(placed(vm).host_id, []).append(str(vm.pk))
    for host, names in by_host.items():
        live.look(host, f"screens:{','.join(names)}", wait=0)


def told(who: Who, pks: Collection[int]) -> dict[int, tuple[str, str]]:
    """{VM: (version of its picture, why there is none)} of those whose screen he may see and which show one; ("", "")
    where it is being taken."""
    vms = [vm for vm in visible_vms(who, PRIVILEGE).filter(pk__in=pks).only(*SHOWN) if is_shown(vm)]
    look(vms)
    there = live.pictures([vm.pk for vm in vms])
    return {vm.pk: shown(*there.get(vm.pk, ("", 0.0, ""))) for vm in vms}


def shown(version: str, taken: float, code: str) -> tuple[str, str]:
    if not code:
        return version, ""
    return "", gettext("It does not answer.") if code == "timed_out" else gettext("Its screen cannot be shown.")


def picture(vm: VirtualMachine) -> bytes | None:
    """Its screen as PNG, not older than half a minute; None while it is being taken. Raises NoPicture where it shows
    none, or none that can be taken."""
    if not is_shown(vm):
        raise NoPicture(name=placed(vm).name)
    look([vm])
    if (found := live.picture(vm.pk)) is not None:
        return found
    if live.pictures([vm.pk]).get(vm.pk, ("", 0.0, ""))[2]:
        raise NoPicture(name=placed(vm).name)
    return None


def last_picture(vm: VirtualMachine) -> bytes:
    """What stood on its screen before it crashed the last time. Raises NoPicture."""
    found = LastScreen.objects.filter(vm=vm).values_list("png", flat=True).first()
    if found is None:
        raise NoPicture(name=placed(vm).name)
    return bytes(found)
