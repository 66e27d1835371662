"""What differs from allauth's defaults: nobody signs up by himself, and nobody can lock another's account."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from vms.models import User
from vms.permissions import Actor
from vms.services import audit, own_password


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def set_password(self, user: User, password: str) -> None:
        """Store it, and that the user did so."""
        super().set_password(user, password)
        audit.record(own_password.CHANGED, actor=Actor(user))

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count failures per account and address; allauth's own key, site and account, would lock out the owner too."""
        return f"{self.get_client_ip(request)} {credentials.get('username', '').lower()}"
