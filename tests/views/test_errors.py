"""What no view answered still says what happened."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

from django.test import Client
from pytest_django import Settings

from vms.models import User


def test_signing_in_while_redis_is_away_says_not_now(alice: User, settings: Settings, tmp_path: Path) -> None:
    caches = deepcopy(settings.CACHES)
    caches["default"]["LOCATION"] = f"unix://{tmp_path}/nobody.sock"
    settings.CACHES = caches
    answer = Client(HTTP_X_REAL_IP="127.0.0.1", raise_request_exception=False).post(
        "/accounts/login/", {"login": "alice", "password": "correct horse battery"}
    )
    assert answer.status_code == 503
    assert b"does not answer (Redis)" in answer.content
