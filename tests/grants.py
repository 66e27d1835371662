"""Rights for the cast, as rows: tests that are not about giving them need no giver."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from vms.models import Grant, Host, Role, User, VirtualMachine


def grant(to: User | Group, role: str, on: VirtualMachine | Host | None = None, **fields: Any) -> Grant:
    """The role, on that; else on what the fields say (everything, tag, name, prefix)."""
    whom = {"user": to} if isinstance(to, User) else {"group": to}
    where = {"vm": on} if isinstance(on, VirtualMachine) else {"host": on} if on else {}
    return Grant.objects.create(role=Role.objects.get(name=role), **whom, **where, **fields)
