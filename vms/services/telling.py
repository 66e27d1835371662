"""What is told of a host to who may not see it: neither its name nor what it says, only how the VM stands there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vms.kinds.migration import MIGRATE
from vms.models import Host, Operation, OperationLog
from vms.permissions import Who, seen_hosts
from vms.services.sentences import LOG

# Of these a sentence can be made without telling of the host; the name of the host itself is put as "".
OF_THE_VM = frozenset(
    {
        "name", "state", "title", "actor", "operation", "kind", "seconds", "limit", "field", "privilege", "network",
        "by", "others", "why", "reason", "format", "told",
        "expected", "found", "status",
    }
)  # fmt: skip
WITHHELD = "host_unreachable"
# In the place of where a VM moves to.
UNSEEN = 0


def host_name(who: Who, host: Host) -> str:
    """What the host is called to him: its name, or "" which sentences read as "its host"."""
    return host.name if host.pk in seen_hosts(who, [host]) else ""


def as_told(who: Who, operations: Iterable[Operation]) -> list[Operation]:
    """The operations, for reading only: on a host that he may not see without that, and why they failed without what
    it said; without where a VM moves to, for who may not see that. Two queries at most."""
    found = list(operations)
    hosts = {operation.host_id: operation.host for operation in found if operation.host}
    goals = {operation.params["host"] for operation in found if operation.kind == MIGRATE.name}
    if goals:
        hosts |= Host.objects.in_bulk(goals)
    seen = seen_hosts(who, hosts.values())
    for operation in found:
        if operation.kind == MIGRATE.name and operation.params["host"] not in seen:
            operation.params = {**operation.params, "host": UNSEEN}
            if "host" in operation.error_params:
                operation.error_params = {**operation.error_params, "host": ""}
        if operation.host_id in hosts and operation.host_id not in seen:
            withhold(operation)
    return found


def withhold(operation: Operation) -> None:
    """Take off what tells of its host."""
    operation.host = None
    operation.details = ""
    operation.error_code, operation.error_params = told(operation.error_code, operation.error_params)


def told(code: str, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The code and its parameters without the host, or a code that tells nothing of it."""
    if set(params) - OF_THE_VM - {"host", "since"}:
        return WITHHELD, {}
    return code, {**params, "host": ""} if "host" in params else params


def lines_told(operation: Operation, lines: Iterable[OperationLog]) -> list[OperationLog]:
    """The lines of the log of an operation that was told, for reading only."""
    found = list(lines)
    if operation.kind == MIGRATE.name and operation.params["host"] == UNSEEN:
        for line in found:
            line.params = {**line.params, "host": ""} if "host" in line.params else line.params
    if operation.host is None:
        for line in found:
            if line.code in LOG:
                kept = {name: value for name, value in line.params.items() if name in OF_THE_VM}
                line.params = {**kept, "host": ""} if "host" in line.params else kept
            else:
                line.code, line.params = told(line.code, line.params)
    return found
