"""What a guest's agent is asked to do. What came of it, it tells itself, where anybody can tell."""

from __future__ import annotations

from typing import Final

from django.utils import timezone

from vms.errors import AgentRefused, BadParameters, InvalidState
from vms.kinds import agent as kinds
from vms.models import Freeze, GuestKeys, Operation
from vms.operations.power import cannot_be_told
from vms.operations.thawing import thaw_now
from vms.operations.way import UNCERTAIN, Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.services import freezing, guest_keys
from vms.virt import Connection

# A clock that is so near is right: the question itself takes a moment.
NEAR: Final = 5


def freeze(work: Work) -> None:
    """Noted first: whatever dies from here on, somebody thaws it."""
    seconds = kinds.Frozen.from_json(work.operation.params).seconds
    there = work.domain()
    run_id = there.state()[1]
    if run_id is None:
        raise InvalidState(work.operation.target_name)
    row = freezing.begin(work.operation, run_id, seconds)
    try:
        work.may_go_on()
        number = there.agent().freeze()
    except UNCERTAIN:
        # It is thawed by whoever ends the operation (mend).
        raise
    except BaseException:
        freezing.end(row)
        raise
    freezing.frozen(row)
    work.log("frozen", number=str(number), seconds=str(seconds))


def row_of(operation: Operation) -> Freeze | None:
    return Freeze.objects.filter(operation=operation).select_related("vm__placement").first()


def freeze_facts(connection: Connection, operation: Operation) -> Facts:
    """Whether the guest has said that it is frozen by this."""
    row = row_of(operation)
    return {"frozen": row is not None and row.frozen_at is not None}


def is_frozen(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["frozen"] else Verdict.UNDONE


def mend(connection: Connection, operation: Operation) -> None:
    """A freezing whose end nobody saw is taken back. Raises VirtError; then a later turn of the thaw does it."""
    row = row_of(operation)
    if row is not None:
        thaw_now(connection, row)


def thaw(work: Work) -> None:
    number = work.domain().agent().thaw()
    row = freezing.of(work.operation.vm) if work.operation.vm else None
    if row is not None:
        freezing.end(row)
    work.log("thawed", number=str(number))


def thaw_facts(connection: Connection, operation: Operation) -> Facts:
    return {"frozen": Freeze.objects.filter(vm=operation.target_id).exists()}


def is_thawed(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["frozen"] else Verdict.DONE


def set_time(work: Work) -> None:
    """A guest that sets its clock and cannot write that into its hardware's says so; the clock is what counts."""
    agent = work.domain().agent()
    try:
        agent.set_clock()
    except AgentRefused:
        ahead = agent.clock()
        if ahead is None or abs(ahead) > NEAR:
            raise


def time_facts(connection: Connection, operation: Operation) -> Facts:
    return {"ahead": domain(connection, operation).agent().clock()}


def is_right(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["ahead"] is not None and abs(now["ahead"]) <= NEAR else Verdict.UNDONE


def set_password(work: Work) -> None:
    user = kinds.Account.from_json(work.operation.params).user
    password = work.secrets.get("password")
    if not password:
        raise BadParameters(field="password")
    work.domain().agent().set_password(user, password)


def nothing_shows(connection: Connection, operation: Operation) -> Facts:
    """Nobody is told what a password is."""
    return {"asked": True}


def change_keys(work: Work) -> None:
    """Add, take away, and keep what is there then."""
    wish = kinds.Keys.from_json(work.operation.params)
    agent = work.domain().agent()
    if wish.add:
        agent.add_keys(wish.user, wish.add)
        work.log("keys_added", number=str(len(wish.add)), user=wish.user)
    lines = agent.keys(wish.user)
    gone = [line for line in lines if guest_keys.fingerprint_of(line) in wish.remove]
    if gone:
        work.may_go_on()
        agent.remove_keys(wish.user, gone)
        work.log("keys_removed", number=str(len(gone)), user=wish.user)
        lines = agent.keys(wish.user)
    GuestKeys.objects.update_or_create(
        vm_id=work.operation.target_id, user=wish.user,
        defaults={"read_at": timezone.now(), "keys": guest_keys.shown(lines)},
    )  # fmt: skip


def keys_facts(connection: Connection, operation: Operation) -> Facts:
    """The fingerprints that the user has there; a user without a list of keys has none."""
    wish = kinds.Keys.from_json(operation.params)
    try:
        lines = domain(connection, operation).agent().keys(wish.user)
    except AgentRefused:
        lines = []
    there = {guest_keys.fingerprint_of(line) for line in lines}
    return {
        "lacking": sum(1 for line in wish.add if guest_keys.fingerprint_of(line) not in there),
        "left": sum(1 for one in wish.remove if one in there),
    }


def has_keys(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["lacking"] or now["left"] else Verdict.DONE


WAYS: Final = {
    kinds.FREEZE.name: Way(freeze, freeze_facts, is_frozen, mend=mend),
    kinds.THAW.name: Way(thaw, thaw_facts, is_thawed),
    kinds.TIME.name: Way(set_time, time_facts, is_right),
    kinds.PASSWORD.name: Way(set_password, nothing_shows, cannot_be_told),
    kinds.KEYS.name: Way(change_keys, keys_facts, has_keys),
}
