"""The audit as JSON."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program, problem
from vms.models import VirtualMachine
from vms.permissions import Actor
from vms.services import audit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_it_lists_the_latest_first_and_filters(program: Program, actor: Actor, vm: VirtualMachine) -> None:
    audit.record("asked:vm.start", actor=actor, target=vm, operation=7)
    audit.record("failed:sign-in", address="192.0.2.1", times=3)
    body = program.get("/audit?from=2020-01-01").json()
    actions = [item["action"] for item in body["items"]]
    assert actions[:2] == ["failed:sign-in", "asked:vm.start"] and body["count"] == len(actions)
    [item] = program.get(f"/audit?object=vm:{vm.pk}&actor=alice&q=start").json()["items"]
    assert (item["user"], item["object_name"], item["facts"]) == ("alice", vm.name, {"operation": 7})
    assert item["seq"] is None and item["mac"] is None
    assert program.get("/audit?to=2020-01-01").json()["count"] == 0
    assert len(program.get("/audit?page=2&page_size=1").json()["items"]) == 1


def test_what_does_not_fit_is_refused(program: Program) -> None:
    problem(program.get("/audit?from=never"), 422, "bad_parameters")
    problem(program.get("/audit?since=2020-01-01"), 422, "invalid")


def test_it_is_for_who_may(stranger: Program) -> None:
    problem(stranger.get("/audit"), 403, "not_allowed")


def test_what_a_token_does_is_told_with_the_token(program: Program, vm: VirtualMachine) -> None:
    program.post(f"/vms/{vm.pk}/pause")
    [item] = program.get("/audit?q=vm.pause").json()["items"]
    assert item["token"].startswith("kvmweb_") and len(item["token"]) == 12
