"""What a kind's function is given: the operation, the host's connection, and the last question before it acts."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from django.conf import settings

from vms.errors import InvalidState, NotFound
from vms.kinds import KINDS
from vms.models import Operation, OperationLog
from vms.virt import Connection, Domain, unseal


@dataclass(frozen=True)
class Work:
    """One operation being done. may_go_on raises where it was taken away, superseded, or its actor lost the right.

    beside: a connection to ask on while a call of this one's runs. heard: says that the host is at it, so that its
    silence counts from now.
    """

    operation: Operation
    connection: Connection
    may_go_on: Callable[[], None]
    beside: Callable[[], AbstractContextManager[Connection]]
    heard: Callable[[], None]

    def domain(self) -> Domain:
        """The VM on its host."""
        return domain(self.connection, self.operation)

    @property
    def allowed(self) -> frozenset[str]:
        """The privileges that the actor was asked for, and that a change of the definition may need."""
        return allowed(self.operation)

    @property
    def secrets(self) -> dict[str, str]:
        """The kind's secrets that were given with it, by their names. Raises SecretUnreadable."""
        return opened(self.operation)

    def log(self, code: str, **params: str) -> None:
        """Add a line to the operation's log."""
        OperationLog.objects.create(operation=self.operation, code=code, params=params)


def opened(operation: Operation) -> dict[str, str]:
    """The secrets that were given with it, while it goes on. Raises SecretUnreadable."""
    sealed = operation.sealed
    found: dict[str, str] = json.loads(unseal(sealed, operation.sealed_for, key_file())) if sealed else {}
    return found


def key_file() -> str:
    return str(settings.ENVIRONMENT.key_file)


def allowed(operation: Operation) -> frozenset[str]:
    """The privileges of the operation's kind; check_rights asks whether its actor has them."""
    return frozenset(KINDS[operation.kind].privileges)


def domain(connection: Connection, operation: Operation) -> Domain:
    """The operation's VM on the operation's host; InvalidState where it has moved away since it was asked."""
    placement = operation.vm.placement if operation.vm else None
    if placement is None:
        raise NotFound(operation.target_name)
    if placement.host_id != operation.host_id:
        raise InvalidState(f"{operation.target_name} is on another host by now")
    return connection.domain(str(placement.uuid))
