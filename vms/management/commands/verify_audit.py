"""Prove that what the audit tells is what was written."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from vms.chain import heads, keys
from vms.chain.check import check
from vms.services import schema

MOST: Final = 100
# A seal comes within a second; one that is so late does not come.
LATE: Final = timedelta(minutes=1)


class Command(BaseCommand):
    help = "Find changed, missing, swapped and cut off rows of the audit; each is named, and the exit code is 1 then."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--heads", action="append", default=[], type=Path, metavar="FILE",
            help="more heads of the chain, kept elsewhere, beside those in the state folder",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        schema.require_current()
        own = settings.STATE.audit_heads
        for file in options["heads"]:
            if not file.exists():
                raise CommandError(f"There is no file {file}.")
        try:
            known, told = keys.load(settings.ENVIRONMENT.audit_keys), heads.read([own, *options["heads"]])
        except (keys.KeysUnreadable, ValueError) as problem:
            raise CommandError(str(problem)) from None
        report = check(known, told)
        if report.rows and not told:
            self.stderr.write(f"No head is known ({own} is not there): an end that was cut off would not be seen.")
        if report.behind:
            self.stdout.write(f"{report.behind} rows lie behind a checkpoint: prune_audit takes them out.")
        if report.unsealed:
            age = f"{report.waiting.total_seconds():.1f} s"
            self.stdout.write(f"{report.unsealed} rows wait for their seal, the oldest for {age}; nothing proves them.")
        faults = list(report.faults)
        if report.waiting > LATE:
            faults.append("no worker seals: rows have waited for more than a minute")
        for fault in faults[:MOST]:
            self.stderr.write(fault)
        if len(faults) > MOST:
            self.stderr.write(f"and {len(faults) - MOST} more")
        rows = f"{report.rows} rows, {report.first} to {report.last}" if report.rows else "no rows"
        if faults:
            raise CommandError(f"The audit is not what was written ({rows}).")
        self.stdout.write(f"As it was written: {rows}.")
