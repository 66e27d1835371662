"""Calling a VM otherwise, on its host."""

from __future__ import annotations

from typing import Final

from vms.errors import NotAllowed
from vms.kinds import renaming as kinds
from vms.models import Operation
from vms.operations.volumes import actor_of
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.services import selectors
from vms.virt import Connection


def rename(work: Work) -> None:
    operation = work.operation
    actor = actor_of(operation)
    if actor is None or operation.vm is None:
        raise NotAllowed(privilege=kinds.RENAME.privileges[0])
    # What somebody is granted by names may have changed since it was asked for.
    selectors.refuse_name(actor, operation.vm, operation.params["name"])
    work.domain().rename(operation.params["name"])


def facts(connection: Connection, operation: Operation) -> Facts:
    info = domain(connection, operation).info()
    return {"name": info.name, "state": info.state, "wanted": operation.params["name"]}


def is_called_so(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["name"] == now["wanted"] else Verdict.UNDONE


WAYS: Final = {kinds.RENAME.name: Way(rename, facts, is_called_so)}
