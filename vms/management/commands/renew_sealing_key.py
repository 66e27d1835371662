"""Seal every secret anew, to a new key."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from vms.errors import SecretUnreadable
from vms.models import AlertSink, Host
from vms.services import audit, sealing
from vms.virt import unseal


class Command(BaseCommand):
    help = "Make a new key for secrets, seal all of them to it, and put the old keys out of use."

    def handle(self, *args: Any, **options: Any) -> None:
        private = settings.ENVIRONMENT.key_file
        try:
            generation = sealing.add_key(private, settings.STATE.sealing_key)
        except OSError as problem:
            raise CommandError(f"The key cannot be renewed. {problem}") from None
        left = [name for rows in (Host, AlertSink) for pk in older(rows, generation) if (name := reseal(rows, pk))]
        if not left:
            sealing.retire_keys(private)
        audit.record("renewed:sealing-key", address="manage.py", generation=generation, unreadable=left)
        if left:
            raise CommandError(
                f"These secrets, of hosts or of what alerts are told to, could not be opened and stay as they are:"
                f" {', '.join(left)}. The old keys stay in use. Enter those secrets again, then repeat this."
            )
        self.stdout.write(f"All secrets are sealed to key {generation}. Copy {private} to other machines and backups.")


def older(rows: type[Host] | type[AlertSink], generation: str) -> list[int]:
    """Those whose secret is sealed to another key."""
    sealed = rows.objects.exclude(sealed="").exclude(sealed__startswith=f"{generation}:")
    return list(sealed.values_list("pk", flat=True))


def reseal(rows: type[Host] | type[AlertSink], pk: int) -> str:
    """Seal the row's secret anew; the row's name where it cannot be opened, else nothing."""
    with transaction.atomic():
        row = rows.objects.select_for_update().get(pk=pk)
        try:
            secret = unseal(row.sealed, row.sealed_for, str(settings.ENVIRONMENT.key_file))
        except SecretUnreadable:
            return row.name
        rows.objects.filter(pk=pk).update(sealed=sealing.seal(secret, row.sealed_for))
    return ""
