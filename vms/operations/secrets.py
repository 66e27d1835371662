"""A host's secrets: set, and forgotten."""

from __future__ import annotations

from typing import Final

from vms.errors import BadParameters, SecretInUse
from vms.kinds import secrets as kinds
from vms.models import Operation
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.services.secrets import users
from vms.virt import Connection


def set_value(work: Work) -> None:
    purpose = kinds.Purpose.from_json(work.operation.params)
    value = work.secrets.get("value")
    if not value:
        raise BadParameters(field="value")
    work.connection.set_secret(purpose.usage, purpose.name, value)


def facts(connection: Connection, operation: Operation) -> Facts:
    known = connection.secrets()
    if operation.kind == kinds.SET.name:
        purpose = kinds.Purpose.from_json(operation.params)
        return {"there": any((secret.usage, secret.name) == (purpose.usage, purpose.name) for secret in known)}
    return {"there": any(secret.uuid == operation.params["uuid"] for secret in known)}


def is_there(before: Facts, now: Facts) -> Verdict:
    """Whether a value that was there has been replaced is what nobody can see: it is never read."""
    if not now["there"]:
        return Verdict.UNDONE
    return Verdict.UNKNOWN if before["there"] else Verdict.DONE


def delete(work: Work) -> None:
    """Not while a pool or a VM names it."""
    uuid = kinds.Identity.from_json(work.operation.params).uuid
    host = work.operation.host
    known = next((secret for secret in work.connection.secrets() if secret.uuid == uuid), None)
    if host and known and (using := users(host, known.uuid, known.name)):
        raise SecretInUse(name=using[0].name)
    work.connection.delete_secret(uuid)


def is_gone(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["there"] else Verdict.DONE


WAYS: Final = {kinds.SET.name: Way(set_value, facts, is_there), kinds.DELETE.name: Way(delete, facts, is_gone)}
