"""Quotas for programs."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from vms.models import Quota, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_one_is_set_read_and_taken_away(client_alice: Client, mallory: User) -> None:
    wish = {"user": "mallory", "limits": {"vms": 2, "disk_bytes": 1000}}
    answer: Any = client_alice.post("/api/v1/quotas", wish, content_type="application/json")
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert found["of"] == {"kind": "user", "name": "mallory"}
    assert found["limits"] == {"vms": 2, "vcpus": None, "memory_kib": None, "disk_bytes": 1000, "snapshots": None}
    assert found["used"] == {"vms": 0, "vcpus": 0, "memory_kib": 0, "disk_bytes": 0, "snapshots": 0}
    Group.objects.create(name="staff")
    wish = {"group": "staff", "limits": {"vms": 0}}
    assert client_alice.post("/api/v1/quotas", wish, content_type="application/json").status_code == 200
    listed: Any = client_alice.get("/api/v1/quotas")
    assert [item["of"]["name"] for item in listed.json()["items"]] == ["mallory", "staff"]
    path = f"/api/v1/quotas/{found['id']}"
    assert client_alice.get(path).json() == found
    assert client_alice.delete(path).status_code == 204
    assert client_alice.get(path).status_code == 404
    assert Quota.objects.get().group


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"user": "nobody-here", "limits": {"vms": 1}}, "user"),
        ({"group": "nobodies", "limits": {"vms": 1}}, "group"),
        ({"user": "mallory", "group": "staff", "limits": {"vms": 1}}, "user"),
        ({"user": "mallory", "limits": {}}, "limits"),
        ({"user": "mallory", "limits": {"vms": 2**40}}, "vms"),
        ({"user": "mallory", "limits": {"vms": -1}}, "vms"),
        ({"user": "mallory", "limits": {"gold": 1}}, "gold"),
    ],
)
def test_a_bad_wish_names_its_field(client_alice: Client, mallory: User, wish: dict[str, Any], field: str) -> None:
    answer: Any = client_alice.post("/api/v1/quotas", wish, content_type="application/json")
    assert answer.status_code == 422
    assert field in answer.content.decode()
    assert not Quota.objects.exists()
