"""Changing what a VM is made of: the edits are done in the documents that its host has at that moment, with their
secrets. The next start's comes first: whatever the host refuses of it, the run has not changed then."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vms.errors import HostUnreachable, InvalidState, NameTaken, NotAllowed, TimedOut, VirtError
from vms.kinds import shaping as kinds
from vms.libvirtxml import DomainXML
from vms.libvirtxml.shaping import HIDDEN, Edit, as_live, is_done, is_live
from vms.models import Operation, StoragePool, Volume
from vms.operations.new_volumes import claimed
from vms.operations.volumes import actor_of, keep, make_empty, pool_here, take_away
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain, opened
from vms.permissions import require_all
from vms.services import shaped_with
from vms.virt import Connection, Domain

AUTOSTART: Final = "autostart"


def do(work: Work) -> None:
    operation = work.operation
    params, actor, vm = kinds.Shape.from_json(operation.params), actor_of(operation), operation.vm
    if actor is None or vm is None:
        raise NotAllowed(privilege=kinds.SHAPE.privileges[0])
    # By the rights of this moment: what of the host it may use is asked again too.
    require_all(actor, params.needs, vm, fresh=False)
    given = shaped_with.given(actor, operation.host, params.given)
    allowed = frozenset(params.needs)
    there = work.domain()
    edits = [filled(edit, work.secrets) for edit in params.edits if edit["do"] != AUTOSTART]
    live = live_edits(there.live()[0], there.next_boot(), edits) if wants_live(params, there.state()[1]) else []
    if params.apply == "live" and len(live) < len(edits):
        raise InvalidState(operation.target_name)
    if edits and params.apply != "live":
        there.reshape(edits, allowed=allowed, given=given)
        work.log("shaped_next")
    for edit in params.edits:
        if edit["do"] == AUTOSTART:
            there.start_with_host(edit["value"])
    if live:
        work.may_go_on()
        try:
            there.reshape_live(live, allowed=allowed, given=given)
        except VirtError:
            if params.apply != "live":
                work.log("shaped_not_now")
            raise
        work.log("shaped_now")


def add_disk(work: Work) -> None:
    """The volume, then all as above; where that fails nothing is left of it."""
    operation = work.operation
    new, pool, user = new_of(operation), pool_of(operation), operation.actor_user
    if user is None:
        raise NotAllowed(privilege=kinds.SHAPE.privileges[0])
    with claimed(pool, new["name"], user, format=new["format"]) as row:
        try:
            there = make_empty(work, pool, new["name"], new["size_bytes"], new["format"])
            work.may_go_on()
            do(work)
            keep(row, there.facts(), new["format"], of=operation)
        except (HostUnreachable, TimedOut, NameTaken):
            # What became of it is asked of the host by whoever ends the operation (mend_disk).
            raise
        except BaseException:
            with contextlib.suppress(VirtError):
                detach(work.domain(), kinds.Shape.from_json(operation.params))
                take_away(work.connection, pool, row)
                work.log("volume_taken_away", name=new["name"])
            raise


def new_of(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = operation.params["given"]["new"]
    return found


def pool_of(operation: Operation) -> StoragePool:
    """Where the new disk is; NotFound where the host has it no more."""
    return pool_here(operation, new_of(operation)["pool"], operation.target_name)


def detach(there: Domain, params: kinds.Shape) -> None:
    """Its next start has the disk no more; the run that was to have it has refused it."""
    [edit] = params.edits
    if not is_done(there.next_boot(), edit):
        return

    def without(document: DomainXML) -> None:
        for disk in document.disks:
            if disk.source == f"{edit['said']['pool']}/{edit['said']['volume']}":
                document.devices.remove(disk.element)

    there.modify(without, allowed=frozenset(params.needs))


def mend_disk(connection: Connection, operation: Operation) -> None:
    """What a dead worker made is a disk where the definition has it, else nothing is left of it."""
    new, pool = new_of(operation), pool_of(operation)
    rows = Volume.objects.filter(
        storage=pool.storage_id, name=new["name"], state=Volume.State.INCOMPLETE, owner=operation.actor_user_id
    )
    for row in rows:
        if all(facts(connection, operation)["done"]):
            keep(row, connection.volume(str(pool.uuid), row.name).facts(), new["format"], of=operation)
        else:
            take_away(connection, pool, row)


def filled(edit: dict[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """The edit with the password in the place of its stand-in."""
    is_one = edit.get("lens") == HIDDEN and edit["value"]
    return {**edit, "value": secrets[HIDDEN]} if is_one else edit


def wants_live(params: kinds.Shape, run_id: int | None) -> bool:
    return params.apply != "next" and run_id is not None


def live_edits(live: DomainXML, document: DomainXML, edits: Sequence[Edit]) -> list[Edit]:
    """Those that the run can have, for its document."""
    possible = [edit for edit in edits if is_live(document, edit)]
    return [found for edit in possible if (found := as_live(live, document, edit)) is not None]


def facts(connection: Connection, operation: Operation) -> Facts:
    """Whether the next start is as each edit wants it; for a run alone, whether that is."""
    there, params = domain(connection, operation), kinds.Shape.from_json(operation.params)
    runs = params.apply == "live" and there.state()[1] is not None
    document = there.live()[0] if runs else there.next_boot()
    secrets = opened(operation)
    return {"done": [is_so(document, there, filled(edit, secrets), runs=runs) for edit in params.edits]}


def is_so(document: DomainXML, there: Domain, edit: Edit, *, runs: bool) -> bool:
    if edit["do"] == AUTOSTART:
        return bool(there.starts_with_host() == edit["value"])
    # How much a guest gives back, and when, is the guest's to say.
    return (runs and edit.get("lens") == "memory") or is_done(document, edit)


def is_shaped(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if all(now["done"]) else Verdict.UNDONE


WAYS: Final = {
    kinds.SHAPE.name: Way(do, facts, is_shaped),
    kinds.ADD_DISK.name: Way(add_disk, facts, is_shaped, mend=mend_disk),
}
