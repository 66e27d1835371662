"""What happened to a VM or a host, in one stream."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.api.conftest import Program, problem
from tests.conftest import make_vm
from tests.grants import grant
from vms.models import Alert, Console, Happening, Host, Operation, User, Version, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
NOW = timezone.now()


def ago(minutes: int, row: Any, field: str) -> Any:
    type(row).objects.filter(pk=row.pk).update(**{field: NOW - timedelta(minutes=minutes)})
    return row


@pytest.fixture
def busy(vm: VirtualMachine, host: Host, alice: User) -> VirtualMachine:
    """One of each sort, a minute apart, an alert in the middle of the last, and two definitions of which one was made
    here."""
    target = {"target_kind": "vm", "target_id": vm.pk, "target_name": vm.name, "vm": vm, "host": host}
    operation = Operation.objects.create(kind="vm.start", state="succeeded", actor_name="alice", **target)
    ago(4, operation, "queued_at")
    ago(3, Happening.objects.create(host=host, vm=vm, code="state", params={"state": "running"}), "at")
    for number, kind in ((8, "vm.edit"), (9, "")):
        ago(2, Version.objects.create(vm=vm, host=host, number=number, xml="<domain/>", kind=kind), "at")
    Console.objects.create(vm=vm, user=alice, opened_at=NOW - timedelta(minutes=1))
    begun = NOW - timedelta(minutes=3, seconds=30)
    params = {"how": "crashed", "was": "running"}
    Alert.objects.create(kind="vm_stopped", subject="x", name=vm.name, vm=vm, params=params, begun_at=begun)
    return vm


def test_of_a_vm_newest_first(program: Program, busy: VirtualMachine) -> None:
    told = program.get(f"/vms/{busy.pk}/events").json()
    assert [(each["sort"], each["text"], each["who"], each["state"]) for each in told["items"]] == [
        ("console", "Console", "alice", ""),
        ("change", "Changed outside the dashboard", "", ""),
        ("event", f"{busy.name} is running", "", ""),
        ("alert", f"{busy.name}: crashed: its QEMU ended by itself. Start it again; its host's log says more.", "", ""),
        ("operation", "Start", "alice", "succeeded"),
    ]
    assert told["items"][1]["id"] == 9 and not told["more"]


def test_a_part_of_it(program: Program, busy: VirtualMachine) -> None:
    def sorts(query: str) -> list[str]:
        told = program.get(f"/vms/{busy.pk}/events?{query}").json()
        return [each["sort"] for each in told["items"]] + ["more"] * told["more"]

    assert sorts("only=events") == ["change", "event"]
    assert sorts("only=operations,consoles") == ["console", "operation"]
    assert sorts("only=alerts") == ["alert"]
    assert sorts("limit=2") == ["console", "change", "more"]
    at = (NOW - timedelta(seconds=90)).timestamp()
    assert sorts(f"to={at}") == ["change", "event", "alert", "operation"]
    assert sorts(f"from={at - 60}&to={at}") == ["change"]


@pytest.mark.parametrize(
    "query", ["only=rubbish", "limit=0", "limit=201", "from=x", "from=0001-01-01", "to=9999-12-31T23:59:59Z"]
)
def test_what_makes_no_sense_is_refused(program: Program, vm: VirtualMachine, query: str) -> None:
    problem(program.get(f"/vms/{vm.pk}/events?{query}"), 422, "invalid")


def test_of_a_host_with_the_vms_that_the_reader_sees(
    program: Program, stranger: Program, mallory: User, busy: VirtualMachine, host: Host
) -> None:
    Happening.objects.create(host=host, code="host_silent", params={"error": "host_unreachable"})
    other = make_vm(host, "other")
    Happening.objects.create(host=host, vm=other, code="state", params={"state": "paused"})
    everything = program.get(f"/hosts/{host.pk}/events").json()["items"]
    assert len(everything) == 7
    assert stranger.get(f"/hosts/{host.pk}/events").status_code == 404
    grant(mallory, "viewer", busy)
    seen = stranger.get(f"/vms/{busy.pk}/events").json()["items"]
    # Whose consoles are whose, others are not told.
    assert [each["sort"] for each in seen] == ["change", "event", "alert", "operation"]
    assert stranger.get(f"/vms/{other.pk}/events").status_code == 404
