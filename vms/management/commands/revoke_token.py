"""End an API token."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vms.models import User
from vms.services import tokens


class Command(BaseCommand):
    help = "End an API token at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the name with which its user signs in")
        parser.add_argument("prefix", help=f"the token's first {tokens.SHOWN} characters")

    def handle(self, *args: Any, user: str, prefix: str, **options: Any) -> None:
        owner = User.objects.filter(username=user).first()
        if owner is None:
            raise CommandError(f"There is no user {user!r}.")
        ended = tokens.revoke(owner, prefix)
        if not ended:
            raise CommandError(f"{user} has no live token that begins with {prefix[: tokens.SHOWN]!r}.")
        self.stdout.write(f"{ended} ended.")
