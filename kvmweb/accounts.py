"""What differs from allauth's defaults: nobody signs up by himself, nobody can lock another's account, and the audit
tells who came, who went, and who tried in vain."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from vms.forms.factors import FIRST_STEP
from vms.models import User
from vms.permissions import Actor
from vms.services import audit, factors, failures, own_password, users
from vms.services import sessions as own_sessions
from vms.services.actors import client_address, session_actor


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Keep with which password the second step was reached."""
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if response is None and factors.is_on(user):
            request.session[FIRST_STEP] = user.get_session_auth_hash()
        return response

    @transaction.atomic
    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        audit.record("opened:session", actor=session_actor(request))

    @transaction.atomic
    def logout(self, request: HttpRequest) -> None:
        audit.record("closed:session", actor=session_actor(request))
        super().logout(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Raises ValidationError after too many failures."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            self.authentication_failed(request, **credentials)
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        failures.count("sign-in", client_address(request), credentials.get("username", ""))

    @transaction.atomic
    def reauthenticate(self, user: User, password: str) -> bool:
        """Whether it is his password; counted and limited like a sign-in."""
        good = bool(super().reauthenticate(user, password))
        if good:
            audit.record("confirmed:session", actor=session_actor(context.request))
        return good

    @transaction.atomic
    def set_password(self, user: User, password: str) -> None:
        """Store it, and that the user did so. His other sessions end, and with them their consoles, which ask whether
        the session is there and not with which password it was made."""
        super().set_password(user, password)
        users.end_sessions(user, but=context.request.session.session_key if context.request else "")
        address = client_address(context.request) if context.request else ""
        audit.record(own_password.CHANGED, actor=Actor(user, address=address))

    def get_reauthentication_methods(self, user: User) -> list[dict[str, str]]:
        """The password alone: whoever sits down in front of an open browser may find the telephone beside it."""
        if not user.has_usable_password():
            return []
        return [{"id": "reauthenticate", "description": "", "url": reverse("account_reauthenticate")}]

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count failures per account and address; allauth's own key, site and account, would lock out the owner too."""
        return f"{self.get_client_ip(request)} {credentials.get('username', '').lower()}"


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]
    @transaction.atomic
    def end_sessions(self, sessions: Collection[UserSession]) -> None:
        """End them, each with its line in the audit."""
        for session in sessions:
            own_sessions.end(session_actor(context.request), session)


class FactorsAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """allauth keeps the secrets of second factors as they are; here they are sealed."""

    def encrypt(self, text: str) -> str:
        return factors.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return factors.unseal(encrypted_text)
