"""Alerts for programs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import make_vm
from tests.views.test_alerts import crashed
from vms.models import Alert, Host

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
JSON = "application/json"
API = "/api/v1"


def test_alerts_are_listed_acknowledged_and_silenced(client_alice: Client, host: Host) -> None:
    alert = crashed(make_vm(host))
    listed: Any = client_alice.get(f"{API}/alerts?state=open").json()
    [item] = listed["items"]
    assert item["of"] == {"kind": "vm", "id": alert.vm_id, "name": "web-01"} and item["acknowledged_at"] is None
    assert item["detail"].startswith("crashed: ") and item["severity"] == "critical"
    seen: Any = client_alice.post(f"{API}/alerts/{alert.pk}/acknowledge", content_type=JSON).json()
    assert seen["acknowledged_by"] == "alice"
    wish = {"hours": 4, "scope": "thing", "reason": "We know"}
    made: Any = client_alice.post(f"{API}/alerts/{alert.pk}/silence", wish, content_type=JSON)
    assert made.status_code == 201 and made.json()["thing"] == f"vm:{alert.vm_id}"
    assert client_alice.get(f"{API}/alerts/{alert.pk}").json()["silenced_until"] == made.json()["until"]
    assert client_alice.get(f"{API}/alert-silences").json()["count"] == 1
    assert client_alice.delete(f"{API}/alert-silences/{made.json()['id']}").status_code == 204
    assert client_alice.get(f"{API}/alerts/{alert.pk}").json()["silenced_until"] is None
    refused: Any = client_alice.post(f"{API}/alerts/{alert.pk}/silence", {"hours": 0}, content_type=JSON)
    assert refused.status_code == 422 and "From 1 hour to a year" in refused.content.decode()
    Alert.objects.update(ended_at=alert.begun_at)
    assert client_alice.get(f"{API}/alerts?state=open").json()["count"] == 0
    assert client_alice.get(f"{API}/alerts?state=ended").json()["count"] == 1


def test_rules_are_read_and_changed(client_alice: Client) -> None:
    rules: Any = {rule["kind"]: rule for rule in client_alice.get(f"{API}/alert-rules").json()}
    assert rules["pool_full"]["threshold"] == 85 and rules["vm_stopped"]["seconds"] == 0
    changed: Any = client_alice.patch(f"{API}/alert-rules/pool_full", {"threshold": 90}, content_type=JSON)
    assert changed.json() == {**rules["pool_full"], "threshold": 90}
    wrong: Any = client_alice.patch(f"{API}/alert-rules/vm_stopped", {"seconds": 5}, content_type=JSON)
    assert wrong.status_code == 422
    assert client_alice.patch(f"{API}/alert-rules/none", {}, content_type=JSON).status_code == 404


def test_sinks_are_added_tested_changed_and_removed(client_alice: Client) -> None:
    wish = {"name": "pager", "kind": "webhook", "address": "https://hooks.example.org/T0/secret"}
    made: Any = client_alice.post(f"{API}/alert-sinks", wish, content_type=JSON)
    assert made.status_code == 201 and made.json()["key"] and made.json()["address"] == "https://hooks.example.org/…"
    path = f"{API}/alert-sinks/{made.json()['id']}"
    assert "key" not in client_alice.get(path).json()
    assert client_alice.post(f"{path}/test", content_type=JSON).json()["what"] == "test"
    assert len(client_alice.get(f"{path}/deliveries").json()) == 1
    changed: Any = client_alice.patch(path, {"enabled": False}, content_type=JSON)
    assert changed.json()["enabled"] is False and changed.json()["key"] == ""
    refused: Any = client_alice.post(f"{API}/alert-sinks", {**wish, "address": "http://x/"}, content_type=JSON)
    assert refused.status_code == 422 and "It must be https" in refused.content.decode()
    assert client_alice.delete(path).status_code == 204
    assert client_alice.get(f"{API}/alert-sinks").json()["count"] == 0
