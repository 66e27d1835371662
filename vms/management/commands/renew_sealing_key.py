"""Seal every secret anew, to a new key."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from vms.errors import SecretUnreadable
from vms.models import Host
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
        older = Host.objects.exclude(sealed="").exclude(sealed__startswith=f"{generation}:")
        left = [name for pk in older.values_list("pk", flat=True) if (name := reseal(pk))]
        if not left:
            sealing.retire_keys(private)
        audit.record("renewed:sealing-key", address="manage.py", generation=generation, unreadable=left)
        if left:
            raise CommandError(
                f"These hosts' keys could not be opened and stay as they are: {', '.join(left)}."
                " The old keys stay in use. Enter those hosts' keys again, then repeat this."
            )
        self.stdout.write(f"All secrets are sealed to key {generation}. Copy {private} to other machines and backups.")


def reseal(pk: int) -> str:
    """Seal the host's secret anew; the host's name where it cannot be opened, else nothing."""
    with transaction.atomic():
        host = Host.objects.select_for_update().get(pk=pk)
        try:
            secret = unseal(host.sealed, host.sealed_for, str(settings.ENVIRONMENT.key_file))
        except SecretUnreadable:
            return host.name
        Host.objects.filter(pk=pk).update(sealed=sealing.seal(secret, host.sealed_for))
    return ""
