"""The fixed roles as rows, as the table of privileges says."""

from __future__ import annotations

from typing import Any

from django.apps import apps as installed
from django.apps.registry import Apps
from django.db import transaction

from vms.kinds.privileges import ROLES, role_privileges


def keep_fixed(apps: Apps = installed, **signal: Any) -> None:
    """Make their rows what the table says; after each migration, in whose course they may not be there yet."""
    try:
        role_rows: Any = apps.get_model("vms", "Role").objects
        privilege_rows: Any = apps.get_model("vms", "RolePrivilege").objects
    except LookupError:
        return
    with transaction.atomic():
        for name in ROLES:
            role, _ = role_rows.update_or_create(name=name, defaults={"fixed": True})
            wanted = role_privileges(name)
            privilege_rows.filter(role=role).exclude(name__in=wanted).delete()
            there = set(privilege_rows.filter(role=role).values_list("name", flat=True))
            row = privilege_rows.model
            privilege_rows.bulk_create(row(role=role, name=privilege) for privilege in sorted(wanted - there))
