"""One browser for nobody, one for a user without rights, one for an administrator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.api.conftest import program, token
from tests.conftest import sign_in
from vms import live
from vms.models import User

__all__ = ["program", "token"]

Ask = Callable[..., Any]


@pytest.fixture
def browsers(redis: None, alice: User, mallory: User) -> dict[str, Client]:
    return {"nobody": Client(HTTP_X_REAL_IP="127.0.0.1"), "mallory": sign_in(mallory), "alice": sign_in(alice)}


@pytest.fixture
def ask(browsers: dict[str, Client]) -> Ask:
    """ask(who, method, path, send): the answer to a request that leaves nothing behind."""

    def asked(who: str, method: str, path: str, send: Mapping[str, str] | None = None) -> Any:
        client = Client(HTTP_X_REAL_IP="127.0.0.1", raise_request_exception=False)
        for name, cookie in browsers[who].cookies.items():
            client.cookies[name] = cookie.value
        live.connection().flushall()  # or the limits of one request would refuse the next
        content, kind = json.dumps(dict(send or {})), "application/json" if path.startswith("/api/") else "text/plain"
        with transaction.atomic():
            if method == "POST" and not path.startswith("/api/"):
                answer = client.post(path, dict(send or {}))
            else:
                answer = client.generic(method, path, "" if method in ("GET", "HEAD") else content, content_type=kind)
            transaction.set_rollback(True)
        return answer

    return asked
