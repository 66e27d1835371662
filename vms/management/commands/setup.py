"""What scripts/run does in the database before each start: tables, administrator, first host."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from vms import metrics
from vms.chain import keys
from vms.services import disk, first_start, schema, sealing


class Command(BaseCommand):
    help = "Bring the database up to date; make the administrator and the first host where there are none."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--new-password", action="store_true", help="generate a new password for the administrator")
        parser.add_argument(
            "--password-from-stdin", action="store_true", help="the first administrator's password; empty: generate one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        if not settings.ENVIRONMENT.database_url:
            settings.STATE.make_database()
        given = sys.stdin.readline().strip() if options["password_from_stdin"] else ""
        try:
            schema.migrate(settings.STATE.backups)
        except schema.NewerDatabase as problem:
            raise CommandError(
                f"The database was made by a newer version of the dashboard ({problem}); "
                f"update this one, or go back to a copy in {settings.STATE.backups}."
            ) from problem
        except DatabaseError as problem:
            if not disk.is_full(problem):
                raise
            raise CommandError(
                f"The disk of {settings.STATE.root} is full, and a copy of the database is made before it is brought "
                "up to date. Nothing was changed; make room, then start again."
            ) from problem
        metrics.prepare()
        file = settings.STATE.first_password
        if options["new_password"]:
            first_start.renew_password(file)
        sealing.ensure_keys(settings.ENVIRONMENT.key_file, settings.STATE.sealing_key)
        keys.ensure(settings.ENVIRONMENT.audit_keys)
        first_start.ensure_administrator(given, file)
        here = settings.ENVIRONMENT
        first_start.ensure_host(here.node, here.local_uri_socket, here.machine)
