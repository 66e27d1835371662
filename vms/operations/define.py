"""Defining a VM that an administrator wrote. Its UUID was made for it, so that what is of it on the host is known again
whatever process died."""

from __future__ import annotations

from typing import Final

from vms import live
from vms.errors import HostUnreachable, NotFound, TimedOut, VmTaken
from vms.kinds import define as kinds
from vms.models import Operation
from vms.operations.create import is_made, placement_of, undefine
from vms.operations.way import Facts, Way
from vms.operations.work import Work
from vms.virt import Connection


def do(work: Work) -> None:
    """Raises VmTaken where somebody outside has made one of its name meanwhile."""
    operation, connection = work.operation, work.connection
    placement_of(operation)
    if any(info.name == operation.target_name for info in connection.domains()):
        raise VmTaken(name=operation.target_name)
    work.may_go_on()
    try:
        connection.define_domain(work.secrets["definition"], allowed=work.allowed)
    except (HostUnreachable, TimedOut):
        # What became of it is asked of the host by whoever ends the operation.
        raise
    except BaseException:
        undefine(connection, operation)
        work.log("undone")
        if operation.host_id:
            live.look(operation.host_id, f"vm:{operation.target_id}")
        raise


def facts(connection: Connection, operation: Operation) -> Facts:
    """Whether the host has it."""
    try:
        connection.domain(str(placement_of(operation).uuid)).state()
    except NotFound:
        return {"there": False}
    return {"there": True}


WAYS: Final = {kinds.DEFINE.name: Way(do, facts, is_made)}
