"""Hosts as JSON."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program, problem
from vms.models import Host, Operation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_it_lists_hosts(program: Program, host: Host) -> None:
    body = program.get("/hosts").json()
    assert body["count"] == 1 and body["fresh_at"] == body["items"][0]["heard_at"]
    assert {"id": host.pk, "name": "host-a", "answering": True, "error": None}.items() <= body["items"][0].items()
    assert program.get(f"/hosts/{host.pk}").json() == body["items"][0]


def test_a_silent_host_says_why(program: Program, host: Host) -> None:
    Host.objects.update(error_code="host_unreachable", error_details="Connection refused")
    item = program.get(f"/hosts/{host.pk}").json()
    assert item["answering"] is False
    assert (item["error"]["code"], item["error"]["details"]) == ("host_unreachable", "Connection refused")


def test_it_gets_a_host_ready(program: Program, host: Host) -> None:
    response = program.post(f"/hosts/{host.pk}/get-ready")
    assert response.status_code == 202
    assert Operation.objects.get().kind == "host.get-ready"
    problem(program.post(f"/hosts/{host.pk}/get-ready"), 409, "locked")


def test_a_host_that_one_may_not_see_is_not_there(stranger: Program, host: Host) -> None:
    assert stranger.get("/hosts").json()["items"] == []
    problem(stranger.get(f"/hosts/{host.pk}"), 404, "not_there")
    problem(stranger.post(f"/hosts/{host.pk}/get-ready"), 404, "not_there")
