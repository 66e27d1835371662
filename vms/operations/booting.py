"""Starting once from another device: the order is changed in the definition, the VM started, the old order put back.

libvirt knows no start that boots otherwise than the definition says. Both orders are noted on the row before anything
is changed, so that whoever finds the work of a dead worker can put back what was.
"""

from __future__ import annotations

from typing import Final

from vms.errors import BootFixed, BootOrderLeft, HostUnreachable, NothingToBoot, TimedOut, VirtError
from vms.kinds import power as kinds
from vms.libvirtxml import DomainXML, What, boot_first, boot_order, put_order
from vms.models import Operation, OperationLog
from vms.operations import power
from vms.operations.history import note
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, allowed, domain
from vms.virt import Connection, Domain

DEVICES: Final[dict[str, What]] = {kinds.BOOT_CD.name: "cd", kinds.BOOT_NETWORK.name: "network"}


def facts(connection: Connection, operation: Operation) -> Facts:
    """The facts of a start, the order of the next one, and the order that this kind makes of it (None: it cannot)."""
    vm = domain(connection, operation)
    document = DomainXML.parse(vm.info().next_boot_xml)
    order, fixed = boot_order(document), document.kernel is not None
    changed = boot_first(document, DEVICES[operation.kind])
    return {
        **power.facts(connection, operation),
        "order": order,
        "changed": boot_order(document) if changed else None,
        "fixed": fixed,
    }


def boot_once(work: Work) -> None:
    before = work.operation.before
    if before["fixed"]:
        raise BootFixed(name=work.operation.target_name)
    if before["changed"] is None:
        raise NothingToBoot(name=work.operation.target_name)
    power.refuse_start(work.operation)
    vm = work.domain()
    device = DEVICES[work.operation.kind]
    vm.modify(lambda document: boot_first(document, device), allowed=work.allowed)
    try:
        note(work.connection, work.operation)
        work.log("boot_order_changed")
        work.may_go_on()
        vm.start()
    finally:
        mend(work.connection, work.operation)


def put_back(vm: Domain, operation: Operation) -> None:
    """The old order, where the changed one still stands; what somebody else has set since is left alone."""
    before = operation.before
    document = DomainXML.parse(vm.info().next_boot_xml)
    if before.get("changed") is None or boot_order(document) != before["changed"]:
        return
    vm.modify(lambda document: put_order(document, before["order"]), allowed=allowed(operation))
    OperationLog.objects.create(operation=operation, code="boot_order_back")


def mend(connection: Connection, operation: Operation) -> None:
    """Put it back, also what a dead worker left or a broken wire. BootOrderLeft where the host refuses that."""
    try:
        put_back(domain(connection, operation), operation)
    except VirtError as error:
        OperationLog.objects.create(
            operation=operation, code="boot_order_changed_still", level=OperationLog.Level.WARNING
        )
        if isinstance(error, HostUnreachable | TimedOut):
            raise
        raise BootOrderLeft(error.details) from error


def started_and_put_back(before: Facts, now: Facts) -> Verdict:
    if before["changed"] is not None and now["order"] == before["changed"] != before["order"]:
        return Verdict.UNKNOWN
    return power.runs_anew(before, now)


WAYS: Final = {name: Way(boot_once, facts, started_and_put_back, mend=mend) for name in DEVICES}
