"""Consoles: a ticket for one, its redemption by the relay, and who may no longer have his open.

A ticket is 256 random bits, good once and for 30 s; Redis holds only its hash, the row holds to whom it is bound.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from vms import live
from vms.errors import BadParameters, HostLeftAlone, NoConsole, TicketRefused, TooManyConsoles
from vms.models import Console, VirtualMachine
from vms.permissions import Actor, Who, account, holders, may, require
from vms.services import audit, driving, reaching
from vms.services.sessions import EVERYBODYS, require_person
from vms.services.telling import host_name

logger = logging.getLogger(__name__)

TICKET_SECONDS = 30
# How long a refusal can still tell "used" and "late" from "never given out".
REMEMBERED_SECONDS = 600
MOST_OF_A_USER = 20
MOST = 400
PRIVILEGES = {Console.Mode.DRIVE.value: "vm.console", Console.Mode.VIEW.value: "vm.screen"}
SHOWS_A_SCREEN = ("running", "paused", "shutting_down", "pmsuspended", "crashed")


def issue(
    actor: Actor, vm: VirtualMachine, *, kind: str = "vnc", mode: str = "drive", device: str = "", force: bool = False
) -> tuple[Console, str]:
    """The console that is asked for and its ticket; where somebody else drives a serial line, it watches.

    device: of a serial console, the first where none is named. force: throw out who holds it outside the dashboard.
    Raises BadParameters, NotAllowed, NoConsole when the VM shows no such screen now, HostLeftAlone, TooManyConsoles.
    """
    serial = kind == Console.Kind.SERIAL.value
    for field, fits in {
        "kind": kind in Console.Kind.values,
        "mode": mode in PRIVILEGES,
        "device": serial or not device,
        "force": (serial and mode == Console.Mode.DRIVE.value) or not force,
    }.items():
        if not fits:
            raise BadParameters(field=field)
    require(actor, PRIVILEGES[mode], vm)
    placement = vm.placement
    if placement is None or not placement.present or placement.state not in SHOWS_A_SCREEN:
        raise NoConsole(name=vm.name, kind=kind)
    if placement.host.left_alone:
        raise HostLeftAlone(host=host_name(actor, placement.host))
    there = placement.serials if serial else placement.graphics
    device = device or next(iter(placement.serials), "") if serial else ""
    if (device if serial else kind) not in there:
        raise NoConsole(name=vm.name, kind=kind)
    if kind == "vnc" and reaching.why_not_now(placement):
        raise NoConsole(name=vm.name, kind=kind)
    ticket = secrets.token_urlsafe(32)
    with transaction.atomic():
        forget_unused()
        current = Console.objects.filter(closed_at=None)
        if current.filter(user=actor.user).count() >= MOST_OF_A_USER:
            raise TooManyConsoles(limit=MOST_OF_A_USER)
        if current.count() >= MOST:
            raise TooManyConsoles(limit=MOST)
        if serial and mode == Console.Mode.DRIVE.value:
            mode = driving.grant(actor, vm, device)
            require(actor, PRIVILEGES[mode], vm)
        console = Console.objects.create(
            user=actor.user,
            session_key=actor.session_key,
            token=actor.token,
            vm=vm,
            kind=kind,
            mode=mode,
            device=device,
            force=force,
            address=actor.address,
        )
        audit.record("asked:console", actor=actor, target=vm, console=console.pk, **facts(console))
    pipeline = live.connection().pipeline()
    pipeline.set(ticket_key(ticket), console.pk, ex=TICKET_SECONDS)
    pipeline.set(remembered_key(ticket), console.pk, ex=REMEMBERED_SECONDS)
    pipeline.execute()
    return console, ticket


def address(console: Console, ticket: str) -> str:
    """The path at which the relay redeems the ticket."""
    return f"/console/{console.vm_id}?ticket={ticket}"


def ticket_key(ticket: str) -> str:
    return live.key("ticket", hashlib.sha256(ticket.encode()).hexdigest())


def remembered_key(ticket: str) -> str:
    return live.key("ticket-given", hashlib.sha256(ticket.encode()).hexdigest())


def forget_unused() -> None:
    """Close the rows whose ticket nobody redeemed in time."""
    Console.objects.filter(opened_at=None, closed_at=None).exclude(created_at__range=fresh()).update(
        closed_at=timezone.now(), close_reason="unused"
    )


def fresh() -> tuple[datetime, datetime]:
    """Between when and when a ticket was given out that still opens something. One from the future is from before the
    clock was set back, and Redis keeps it for as long as that was."""
    now, length = timezone.now(), timedelta(seconds=TICKET_SECONDS)
    return now - length, now + length


def find(ticket: str) -> Console | None:
    """The console that the ticket would open; nothing is consumed."""
    number = live.connection().get(ticket_key(ticket))
    return Console.objects.select_related("user", "vm", "token").filter(pk=int(number)).first() if number else None


def redeem(ticket: str, *, vm: int, session_key: str, has_origin: bool, relay: str) -> Console:
    """The console, opened now in the relay's name; the ticket opens nothing afterwards.

    In this order: bound session (or API token, for which alone an Origin may be absent), the ticket itself, the VM,
    the permission. Raises TicketRefused with the reason, which is logged and, where it is somebody's, audited.
    """
    console = find(ticket)
    if console is None:
        raise refused(*unknown(ticket))
    if console.token_id is None and not has_origin:
        raise refused("no_origin", console)
    if console.token_id is None and not (session_key and constant_time_compare(session_key, console.session_key)):
        raise refused("other_session", console)
    if live.connection().getdel(ticket_key(ticket)) is None:
        raise refused("used", console)
    if console.vm_id != vm:
        raise refused("other_vm", console)
    reason = no_longer_allowed(Console.objects.filter(pk=console.pk)).get(console.pk)
    if reason:
        raise refused(reason, console)
    # Redis says that the ticket is fresh and unused; the row has the last word.
    opened = Console.objects.filter(pk=console.pk, opened_at=None, closed_at=None, created_at__range=fresh())
    with transaction.atomic():
        if in_time := bool(opened.update(opened_at=timezone.now(), relay=relay)):
            audit.record(
                "opened:console", actor=owner(console), target=console.vm, console=console.pk, **facts(console)
            )
    if not in_time:
        raise refused("late", console)
    if console.device:
        live.announce([f"vm:{console.vm_id}"])
    return console


def owner(console: Console) -> Actor:
    """Who asked for it, as the audit names him."""
    return Actor(console.user, console.session_key, console.token, console.address)


def facts(console: Console) -> dict[str, Any]:
    """What the audit says of it."""
    found = {"kind": console.kind, "mode": console.mode}
    return {**found, "device": console.device, "force": console.force} if console.device else found


def unknown(ticket: str) -> tuple[str, Console | None]:
    """Why a ticket is not there: used, late, or never given out (or long ago)."""
    number = live.connection().get(remembered_key(ticket))
    console = Console.objects.select_related("user", "vm", "token").filter(pk=int(number)).first() if number else None
    if console is None:
        return "unknown", None
    return ("used" if console.opened_at else "late"), console


def refused(reason: str, console: Console | None = None) -> TicketRefused:
    """The refusal, told to the log and to the audit; the ticket itself is told to nobody."""
    logger.warning(
        "console refused: reason=%s console=%s user=%s vm=%s",
        reason,
        console.pk if console else "-",
        console.user_id if console else "-",
        console.vm_id if console else "-",
    )
    if console:
        audit.record("refused:console", actor=owner(console), target=console.vm, console=console.pk, reason=reason)
    return TicketRefused(reason=reason)


def no_longer_allowed(consoles: QuerySet[Console]) -> dict[int, str]:
    """{console: why it must end} for those of the consoles that their user may not have (any more); one query."""
    now = timezone.now()
    session = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=now)
    young = UserSession.objects.filter(
        session_key=OuterRef("session_key"),
        user=OuterRef("user"),
        created_at__gte=now - timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS),
        last_seen_at__gte=now - timedelta(seconds=settings.SESSION_IDLE_SECONDS),
    )
    known = UserSession.objects.filter(session_key=OuterRef("session_key"), user=OuterRef("user"))
    drives = Q(mode=Console.Mode.DRIVE) & holders("vm.console")
    views = Q(mode=Console.Mode.VIEW) & holders("vm.screen")
    by_token = Q(token__isnull=False)
    reasons = Case(
        When(~by_token & ~(Exists(session) & Exists(known)), then=Value("signed_out")),
        When(~by_token & ~Exists(young), then=Value("session_ended")),
        When(
            by_token & (Q(token__revoked_at__isnull=False) | Q(token__expires_at__lte=now)), then=Value("token_ended")
        ),
        When(dismissed_by__isnull=False, then=Value("dismissed")),
        When(~(drives | views), then=Value("right_gone")),
        When(
            ~Q(vm__deleted_at=None, vm__trashed_at=None) | Q(vm__placement=None) | Q(vm__placement__present=False),
            then=Value("vm_gone"),
        ),
        When(vm__placement__host__left_alone=True, then=Value("left_alone")),
        default=Value(""),
        output_field=CharField(),
    )
    return dict(consoles.annotate(reason=reasons).exclude(reason="").values_list("pk", "reason"))


def of_relay(relay: str) -> QuerySet[Console]:
    """The consoles that are open in this relay, as far as the rows know."""
    return Console.objects.filter(relay=relay, opened_at__isnull=False, closed_at=None)


def closed(console: int, reason: str) -> None:
    """Note that the console has ended; whoever shares its line is told."""
    end(Console.objects.filter(pk=console), reason)
    shared = Console.objects.filter(pk=console).exclude(device="").values_list("vm", flat=True)
    live.announce(f"vm:{vm}" for vm in shared)


def close_stale(relay: str) -> int:
    """End the rows that a relay of this name left open when it died; their number."""
    return end(of_relay(relay), "relay_ended")


def end(consoles: QuerySet[Console], reason: str) -> int:
    """Close those rows that are open, each with its line in the audit; their number."""
    number, now = 0, timezone.now()
    with transaction.atomic():
        for console in consoles.filter(closed_at=None).select_related("user", "vm", "token"):
            if Console.objects.filter(pk=console.pk, closed_at=None).update(closed_at=now, close_reason=reason):
                seconds = int((now - (console.opened_at or now)).total_seconds())
                audit.record(
                    "closed:console", actor=owner(console), target=console.vm, console=console.pk, reason=reason,
                    seconds=seconds,
                )  # fmt: skip
                number += 1
    return number


def find_open(who: Who) -> QuerySet[Console]:
    """The consoles that are open, newest first: an administrator's are everybody's, else one's own."""
    return opened(who).filter(closed_at=None, dismissed_by=None)


def opened(who: Who) -> QuerySet[Console]:
    """The consoles that were opened ever, newest first: an administrator's are everybody's, else one's own."""
    there = Console.objects.filter(opened_at__isnull=False)
    consoles = there.select_related("user", "vm", "token").order_by("-opened_at", "-pk")
    return consoles if may(who, EVERYBODYS) else consoles.filter(user=account(who))


def dismiss(actor: Actor, console: Console) -> None:
    """Have its relay close it, which happens within a second; the right to open another stays. NotAllowed for somebody
    else's, and for a token."""
    require_person(actor)
    if console.user_id != actor.user.pk:
        require(actor, EVERYBODYS)
    with transaction.atomic():
        if Console.objects.filter(pk=console.pk, closed_at=None, dismissed_by=None).update(dismissed_by=actor.user):
            audit.record(
                "dismissed:console", actor=actor, target=console.vm, console=console.pk,
                of=console.user.get_username(), **facts(console),
            )  # fmt: skip
            live.hurry(console.relay)


def touch(consoles: list[int]) -> None:
    """Typing or pointing in a console is activity of the session that opened it."""
    keys = Console.objects.filter(pk__in=consoles, token=None).values_list("session_key", flat=True)
    UserSession.objects.filter(session_key__in=list(keys)).update(last_seen_at=timezone.now())
