"""Rights for the cast, as rows: tests that are not about giving them need no giver."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from vms.models import Grant, Host, Network, Role, StoragePool, User, VirtualMachine

Thing = VirtualMachine | Host | StoragePool | Network
NOUNS = {VirtualMachine: "vm", Host: "host", StoragePool: "pool", Network: "network"}


def grant(to: User | Group, role: str, on: Thing | None = None, **fields: Any) -> Grant:
    """The role, on that; else on what the fields say (everything, tag, name, prefix)."""
    whom = {"user": to} if isinstance(to, User) else {"group": to}
    where = {NOUNS[type(on)]: on} if on else {}
    return Grant.objects.create(role=Role.objects.get(name=role), **whom, **where, **fields)
