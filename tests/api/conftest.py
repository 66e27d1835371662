"""Programs that speak to the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from vms.kinds.privileges import TABLE
from vms.kinds.scopes import ALL
from vms.models import ApiToken, User
from vms.services import tokens

API = "/api/v1"
# A token has these only by their names.
ROOT = [privilege.name for privilege in TABLE if privilege.root]


class Program:
    """A client with a bearer token and no cookie; bodies are JSON."""

    def __init__(self, token: str) -> None:
        self.headers = {"Authorization": f"Bearer {token}", "X-Real-IP": "192.0.2.7"}
        self.client = Client(enforce_csrf_checks=True)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(API + path, headers={**self.headers, **headers})

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        content = b"" if body is None else json.dumps(body)
        return self.client.post(
            API + path, content, content_type="application/json", headers={**self.headers, **headers}
        )

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        content = b"" if body is None else json.dumps(body)
        return self.client.generic(
            method, API + path, content, content_type="application/json", headers={**self.headers, **headers}
        )


@pytest.fixture
def token(alice: User) -> tuple[ApiToken, str]:
    return tokens.create(alice, name="tests", scopes=(ALL, *ROOT))


@pytest.fixture
def program(token: tuple[ApiToken, str]) -> Program:
    """Acts with alice's rights."""
    return Program(token[1])


@pytest.fixture
def stranger(mallory: User) -> Program:
    """Has a good token of a user without rights."""
    return Program(tokens.create(mallory)[1])


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem details, checked for form."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.content)
    assert (body["type"], body["code"], body["status"]) == (f"urn:kvmweb:{code}", code, status)
    assert body["title"] and body["detail"]
    return body
