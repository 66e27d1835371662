"""Schedules for programs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from vms.models import Host, Schedule, ScheduledSnapshot, Tag, User, VirtualMachine
from vms.services import schedule_runs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
JSON = "application/json"
PATH = "/api/v1/schedules"


def wish(**values: Any) -> dict[str, Any]:
    return {"name": "nightly", "every": "daily", "minutes": 150, "zone": "Europe/Berlin", "keep": {"last": 3}, **values}


def test_one_is_set_changed_switched_and_removed(client_alice: Client, vm: VirtualMachine) -> None:
    answer: Any = client_alice.post(PATH, wish(vm=vm.pk), content_type=JSON)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    path = f"{PATH}/{made['id']}"
    assert (made["owner"], made["vm"], made["keep"]["last"], made["snapshots"]) == ("alice", vm.pk, 3, 0)
    changed: Any = client_alice.patch(path, {"keep": {"daily": 7}}, content_type=JSON)
    assert changed.json()["keep"] == {"last": 0, "hourly": 0, "daily": 7, "weekly": 0, "monthly": 0}
    off: Any = client_alice.patch(path, {"enabled": False}, content_type=JSON)
    assert off.json()["next_run_at"] is None and not off.json()["enabled"]
    on: Any = client_alice.patch(path, {"enabled": True}, content_type=JSON)
    assert on.json()["next_run_at"]
    assert client_alice.delete(path).status_code == 204
    assert client_alice.get(path).status_code == 404


def test_what_does_not_fit_is_told_by_its_field(client_alice: Client, vm: VirtualMachine) -> None:
    answer: Any = client_alice.post(PATH, wish(vm=vm.pk, minutes=1500, keep={}), content_type=JSON)
    assert answer.status_code == 422
    assert "minutes" in answer.content.decode() and "Something must be kept" in answer.content.decode()


def test_its_runs_tell_of_what_one_sees(host: Host, vm: VirtualMachine, alice: User, mallory: User) -> None:
    """Who sees the schedule of a tag only by having set it is not told of a VM that he may no longer see."""
    other = make_vm(host, "lost-01")
    for each in (vm, other):
        Tag.objects.create(vm=each, name="web")
    grant(mallory, "editor", vm)
    lost = grant(mallory, "editor", other)
    client = sign_in(mallory)
    made: Any = client.post(PATH, wish(tag="web"), content_type=JSON)
    path = f"{PATH}/{made.json()['id']}"
    assert client.post(f"{path}/run", {}, content_type=JSON).status_code == 200
    schedule_runs.turn()
    assert ScheduledSnapshot.objects.count() == 2
    told: Any = client.get(f"{path}/runs")
    assert {each["vm"] for each in told.json()["items"][0]["snapshots"]} == {vm.pk, other.pk}
    lost.delete()
    told = client.get(f"{path}/runs")
    assert {each["vm"] for each in told.json()["items"][0]["snapshots"]} == {vm.pk}
    assert Schedule.objects.count() == 1
