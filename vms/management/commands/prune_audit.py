"""Take old rows out of the audit."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_date

from vms.chain import heads, keys
from vms.chain.check import check
from vms.chain.prune import prune
from vms.services import schema


class Command(BaseCommand):
    help = "Take the rows of the audit from before a day out, after a check; a signed checkpoint stays in their place."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--before", required=True, metavar="YYYY-MM-DD", help="the first day (UTC) that stays")

    def handle(self, *args: Any, before: str, **options: Any) -> None:
        schema.require_current()
        try:
            day = parse_date(before)
        except ValueError:
            day = None
        if day is None:
            raise CommandError(f"{before!r} is no day of the form 2026-01-31.")
        try:
            known, told = keys.load(settings.ENVIRONMENT.audit_keys), heads.read([settings.STATE.audit_heads])
        except (keys.KeysUnreadable, ValueError) as problem:
            raise CommandError(str(problem)) from None
        if check(known, told).faults:
            raise CommandError("The audit is not what was written; nothing goes. See manage.py verify_audit.")
        gone = prune(datetime.combine(day, time(), UTC), known, settings.STATE.audit_heads)
        self.stdout.write(f"{gone} rows taken out.")
