"""Who types into a serial line: the first who may, until somebody takes it over. All others watch.

A line is a VM's device. Both sides of a taking over learn it from their rows; nobody is thrown out, and nobody gets
it back but by asking.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from vms import live
from vms.errors import NoConsole
from vms.models import Console, VirtualMachine
from vms.permissions import Actor, require
from vms.services import audit

DRIVE, VIEW, SERIAL = Console.Mode.DRIVE.value, Console.Mode.VIEW.value, Console.Kind.SERIAL.value


def open_on(vm: VirtualMachine, device: str) -> QuerySet[Console]:
    """The consoles on that line that have not ended."""
    return Console.objects.filter(vm=vm, kind=SERIAL, device=device, closed_at=None)


def is_of(console: Console, actor: Actor) -> bool:
    """Whether it is a console of this very session or token."""
    return (console.user_id, console.session_key, console.token_id) == (
        actor.user.pk, actor.session_key, actor.token.pk if actor.token else None
    )  # fmt: skip


def grant(actor: Actor, vm: VirtualMachine, device: str) -> str:
    """The mode of a new console that is to drive; inside the transaction that makes it.

    A page that is loaded again, or opened a second time, goes on typing where the same session did.
    """
    VirtualMachine.objects.select_for_update().get(pk=vm.pk)
    driver = open_on(vm, device).filter(mode=DRIVE).first()
    if driver is None:
        return DRIVE
    if not is_of(driver, actor):
        return VIEW
    Console.objects.filter(pk=driver.pk).update(mode=VIEW)
    return DRIVE


def take_over(actor: Actor, vm: VirtualMachine, console: int) -> Console:
    """Have the console drive its line; who drove it until now watches, and is told who took it.

    Raises NotAllowed, or NoConsole where the actor's session has no such serial console open.
    """
    require(actor, "vm.console", vm)
    with transaction.atomic():
        VirtualMachine.objects.select_for_update().get(pk=vm.pk)
        mine = Console.objects.filter(pk=console, vm=vm, kind=SERIAL, closed_at=None).first()
        if mine is None or not is_of(mine, actor):
            raise NoConsole(name=vm.name, kind=SERIAL)
        driver = open_on(vm, mine.device).filter(mode=DRIVE).exclude(pk=mine.pk).select_related("user").first()
        if driver:
            Console.objects.filter(pk=driver.pk).update(mode=VIEW, taken_by=actor.user)
        Console.objects.filter(pk=mine.pk).update(mode=DRIVE, taken_by=None)
        audit.record(
            "took:console", actor=actor, target=vm, console=mine.pk, device=mine.device,
            driver=driver.user.get_username() if driver else "",
        )  # fmt: skip
        live.announce([f"vm:{vm.pk}"])
        for relay in {mine.relay, driver.relay if driver else ""} - {""}:
            live.hurry(relay)
    mine.refresh_from_db()
    return mine


def drivers(relay: str) -> set[int]:
    """The open serial consoles of this relay that drive."""
    rows = Console.objects.filter(relay=relay, kind=SERIAL, mode=DRIVE, opened_at__isnull=False, closed_at=None)
    return set(rows.values_list("pk", flat=True))


@dataclass(frozen=True)
class Company:
    """Who is on a line beside one's own console: whether one drives, who does else ("" for nobody), whether that is
    oneself elsewhere, whether he took it over from here, and who watches."""

    drives: bool
    driver: str
    is_self: bool
    taken: bool
    watchers: list[str]


def company(actor: Actor, vm: VirtualMachine, device: str, console: int) -> Company | None:
    """As seen from that console; None where the actor's session has no such console open."""
    rows = list(open_on(vm, device).filter(opened_at__isnull=False).select_related("user").order_by("opened_at"))
    mine = next((row for row in rows if row.pk == console and is_of(row, actor)), None)
    if mine is None:
        return None
    driver = next((row for row in rows if row.mode == DRIVE and row.pk != mine.pk), None)
    watchers = [row.user.get_username() for row in rows if row not in (mine, driver)]
    return Company(
        drives=mine.mode == DRIVE,
        driver=driver.user.get_username() if driver else "",
        is_self=bool(driver) and driver is not None and driver.user_id == actor.user.pk,
        taken=driver is not None and mine.taken_by_id == driver.user_id,
        watchers=sorted(set(watchers)),
    )
