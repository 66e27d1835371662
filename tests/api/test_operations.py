"""Operations as JSON."""

from __future__ import annotations

import pytest

from tests.api.conftest import Program, problem
from vms.kinds import power
from vms.models import Operation, OperationLock, OperationLog, VirtualMachine
from vms.permissions import Actor
from vms.services import operations

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def operation(vm: VirtualMachine, actor: Actor) -> Operation:
    return operations.request(power.SHUTDOWN, vm, actor=actor)


def test_it_tells_state_progress_error_and_log(program: Program, operation: Operation) -> None:
    Operation.objects.update(
        state="failed",
        progress=40,
        error_code="network_stopped",
        error_params={"network": "default"},
        details="libvirt",
    )
    OperationLog.objects.create(operation=operation, code="asked")
    OperationLog.objects.create(operation=operation, code="network_stopped", level="error", params={"network": "x"})
    body = program.get(f"/operations/{operation.pk}").json()
    assert (body["state"], body["progress"], body["error"]["code"]) == ("failed", 40, "network_stopped")
    assert "default" in body["error"]["detail"] and body["error"]["details"] == "libvirt"
    assert [(line["code"], line["level"]) for line in body["log"]] == [("asked", "info"), ("network_stopped", "error")]
    assert all(line["text"] and line["at"] for line in body["log"])


def test_it_lists_the_latest_first(program: Program, operation: Operation, actor: Actor, vm: VirtualMachine) -> None:
    Operation.objects.update(state="waiting")
    OperationLock.objects.all().delete()
    last = operations.request(power.FORCE_OFF, vm, actor=actor)
    body = program.get("/operations?page_size=1").json()
    assert (body["count"], body["items"][0]["id"]) == (2, last.pk)
    first = program.get("/operations?page=2&page_size=1").json()["items"][0]
    assert (first["state"], first["superseded_by"]) == ("superseded", last.pk)


def test_it_cancels(program: Program, operation: Operation) -> None:
    response = program.post(f"/operations/{operation.pk}/cancel")
    assert response.status_code == 202 and response["Location"] == f"/api/v1/operations/{operation.pk}"
    assert response.json()["operation"]["state"] == "cancelled"
    problem(program.post(f"/operations/{operation.pk}/cancel"), 409, "not_cancellable")


def test_what_one_may_not_see_is_not_there(stranger: Program, operation: Operation) -> None:
    assert stranger.get("/operations").json()["count"] == 0
    problem(stranger.get(f"/operations/{operation.pk}"), 404, "not_there")
    problem(stranger.post(f"/operations/{operation.pk}/cancel"), 404, "not_there")
    operation.refresh_from_db()
    assert operation.state == "queued"
