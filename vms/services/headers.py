"""What the head of a VM's page shows and offers: state, the likely next step, the menu, the running operation."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext

from vms.kinds import KINDS, MENU, Kind
from vms.kinds.media import EJECT
from vms.models import Operation, Placement, VirtualMachine
from vms.permissions import Who, held, seen_hosts
from vms.services.abilities import offers, shows_screens
from vms.services.attention import again, open_operations, unread_failures, way_out
from vms.services.freshness import Freshness, freshness, placed, shown_state
from vms.services.installing import Medium, waits_for_ejection
from vms.services.operations import is_silent
from vms.services.sentences import state_word
from vms.services.telling import as_told
from vms.services.twins import find_twins, twin_text

MAIN_STEP = {
    "running": "console",
    "shutting_down": "console",
    "paused": "vm.resume",
    "pmsuspended": "vm.resume",
    "shut_off": "vm.start",
    "crashed": "vm.start",
    "saved": "vm.restore",
}


BESIDE = "vm.shutdown"


@dataclass(frozen=True)
class Entry:
    """One entry of the power menu; why says what forbids it now, empty when nothing does."""

    kind: Kind
    why: str = ""


@dataclass(frozen=True)
class Header:
    """The head of a VM's page. rights: all that the reader may do here. host: its host's name, "" for who may not see
    that, and host_word what sentences call it. variants: other ways of starting, folded away. no_keys: why keys cannot
    be sent. underway: what was asked of it is being done, and waits neither for the guest nor for the host.
    may_end: whether the reader may end that, or say that he waits; may_read: whether he may put the failure away.
    twins: (VM, words) for what other hosts say of its
    UUID. installed: the CD that may be ejected now, since the VM has started anew from what that installed."""

    vm: VirtualMachine
    rights: frozenset[str]
    host: str
    host_word: str
    placement: Placement
    fresh: Freshness
    shown: str
    menu: list[Entry]
    variants: list[Entry]
    no_keys: str
    main: str
    has_console: bool
    beside: Entry | None
    working: Operation | None
    underway: bool
    may_end: bool
    failure: Operation | None
    may_read: bool
    try_again: Kind | None
    way_out: Kind | None
    twins: list[tuple[int, str]]
    installed: Medium | None


def make_header(vm: VirtualMachine, who: Who) -> Header:
    """Rights decide what is there, the state decides what is greyed."""
    placement = placed(vm)
    twins = find_twins(who, [vm]).get(vm.pk, [])
    seen = seen_hosts(who, [twin.host for twin in twins])
    fresh = freshness(placement.host)
    shown = shown_state(placement, fresh)
    rights = held(who, vm)
    host = placement.host.name if "host.view" in rights else ""
    word = host or gettext("its host")
    menu = [
        Entry(kind, why_not(kind, placement, word))
        for kind in MENU
        if placement.state not in kind.hidden
        and offers(placement.host.driver, kind.name)
        and fits(rights, kind.name)
        and (vm.templated_at is None or kind.of_template != "no")
    ]
    has_console = "vm.screen" in rights and (shows_screens(placement.host.driver) or bool(placement.serials))
    main = MAIN_STEP.get(shown, "") if vm.templated_at is None else ""
    beside = (entry for entry in menu if entry.kind.name == BESIDE and not entry.why and shown != "silent")
    working = first_told(who, open_operations(who).filter(vm=vm))
    failure = first_told(who, unread_failures(who).filter(vm=vm))
    return Header(
        vm=vm,
        rights=rights,
        host=host,
        host_word=word,
        placement=placement,
        fresh=fresh,
        shown=shown,
        menu=[entry for entry in menu if not entry.kind.variant],
        variants=[entry for entry in menu if entry.kind.variant],
        no_keys=why_not(KINDS["vm.send-key"], placement, word),
        main=main if has_console or main != "console" else "",
        has_console=has_console,
        beside=next(beside, None),
        underway=bool(working and not waits(working)),
        may_end=bool(working and fits(rights, working.kind)),
        working=working,
        failure=failure,
        may_read=bool(failure and fits(rights, failure.kind)),
        try_again=again(failure, who) if failure else None,
        way_out=way_out(failure, who) if failure else None,
        twins=[(twin.vm_id, twin_text(vm, twin, seen)) for twin in twins],
        installed=waits_for_ejection(vm) if may_eject(placement, rights) else None,
    )


def first_told(who: Who, operations: QuerySet[Operation]) -> Operation | None:
    return next(iter(as_told(who, operations.select_related("vm", "host")[:1])), None)


def fits(rights: frozenset[str], kind: str) -> bool:
    """Whether the rights are enough to ask for the kind."""
    return kind in KINDS and rights >= set(KINDS[kind].privileges)


def may_eject(placement: Placement, rights: frozenset[str]) -> bool:
    """Whether the reader may take a CD out of a drive, as far as nothing else is in the way."""
    return fits(rights, EJECT.name) and not why_not(EJECT, placement, "") and offers(placement.host.driver, EJECT.name)


def waits(operation: Operation) -> bool:
    """Whether it is the guest's or the host's turn."""
    return operation.state == "waiting" or (operation.state == "queued" and operation.waits_until is not None)


def why_not(kind: Kind, placement: Placement, host: str) -> str:
    """Why the state forbids it now; empty when it does not. host: what that is called. Of a VM on a silent host the
    state is the last one known: whoever asks is refused at once, and may let it wait."""
    if placement.host.left_alone:
        return gettext("{host} is left alone").format(host=host)
    if not placement.present:
        return gettext("it is gone")
    if kind.states and placement.state not in kind.states:
        words = gettext("it was {state}") if is_silent(placement.host) else gettext("it is {state}")
        return words.format(state=state_word(placement.state))
    if kind.kept and not placement.persistent:
        return gettext("not kept after it stops")
    if kind.spares and placement.current_of.protected:
        return gettext("it is protected")
    return ""


def losses(kind: Kind) -> str:
    """What the question before it says is lost; empty for what is not asked."""
    texts = {
        "vm.force-off": gettext("Like pulling the plug: what is not written to disk is lost."),
        "vm.nmi": gettext(
            "Its system is interrupted from below. Most crash then or write a memory dump, and what is not written to "
            "disk is lost."
        ),
        "vm.discard-saved": gettext(
            "Like pulling the plug: what it had in memory when it was saved is lost. Its next start boots it anew."
        ),
        "vm.delete": "",
        "vm.reset": gettext("Like the reset button: it starts anew at once, and what is not written to disk is lost."),
    }
    return texts[kind.name] if KINDS[kind.name].ask else ""
