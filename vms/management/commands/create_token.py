"""Make an API token."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vms.errors import BadFields
from vms.kinds.scopes import ALL
from vms.models import User
from vms.services import tokens
from vms.services.sentences import field_sentence


class Command(BaseCommand):
    help = "Make an API token for a user; its last line of output is the token, shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the name with which the user signs in")
        parser.add_argument("--name", default="", help="what the token is for")
        parser.add_argument(
            "--scope",
            action="append",
            help="what it may be used for; a role, a privilege, or all: what the user may but what equals root, which "
            "needs its name (default: all); may be given several times",
        )
        parser.add_argument("--days", type=int, default=tokens.DAYS, help="until it expires (default: %(default)s)")

    def handle(self, *args: Any, user: str, name: str, days: int, scope: list[str] | None, **options: Any) -> None:
        if not 1 <= days <= 3650:
            raise CommandError("--days is from 1 to 3650")
        if len(name) > 100:
            raise CommandError("--name has at most 100 characters")
        owner = User.objects.filter(username=user, is_active=True).first()
        if owner is None:
            raise CommandError(f"There is no active user {user!r}.")
        try:
            token, text = tokens.create(owner, name=name, days=days, scopes=scope or [ALL])
        except BadFields as bad:
            raise CommandError(f"--scope: {field_sentence(bad.errors['scopes'])}") from None
        self.stderr.write(f"A token of {user}, good until {token.expires_at:%Y-%m-%d}. It is shown only now:")
        self.stdout.write(text)
