"""Somebody signed in, for what is measured inside a dashboard's environment."""

from __future__ import annotations

import time
from typing import Any


def signed_in(user: Any) -> Any:
    """In a browser in which he has just given his password."""
    from allauth.account.internal.flows.login import (
        _AUTHENTICATION_METHODS_USER_SESSION_KEY,
        AUTHENTICATION_METHODS_SESSION_KEY,
    )
    from allauth.usersessions.models import UserSession
    from django.test import Client

    client = Client(HTTP_X_REAL_IP="127.0.0.1", HTTP_HOST="localhost")
    client.force_login(user)
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": time.time()}]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
    session.save()
    key = client.session.session_key or ""
    UserSession.objects.create(user=user, session_key=key, ip="127.0.0.1", user_agent="bench")
    return client
