"""Seal the audit with a new key from now on."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from vms.chain import keys
from vms.services import audit


class Command(BaseCommand):
    help = "Add a new key, which seals the audit from now on; the old ones stay, to prove what they have sealed."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name = keys.renew(settings.ENVIRONMENT.audit_keys)
        except keys.KeysUnreadable as problem:
            raise CommandError(str(problem)) from None
        audit.record("renewed:audit-key", address="manage.py", key=name)
        self.stdout.write(f"{settings.ENVIRONMENT.audit_keys} has the new key {name}. Copy the file to other machines.")
