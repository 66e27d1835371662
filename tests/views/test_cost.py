"""What each page and each list of the API asks of the database: exactly so many queries, whatever there is to show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.api.conftest import Program
from tests.conftest import make_vm
from tests.data.shapes import MACHINE
from tests.views.test_vm_page import make_operation
from vms.models import (
    Alert,
    Document,
    Happening,
    Host,
    Schedule,
    ScheduledSnapshot,
    ScheduleRun,
    Snapshot,
    Tag,
    User,
    Version,
    VirtualMachine,
)
from vms.services import tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

# Session, user and limits; hosts and operations of the frame.
PAGE = 5
PAGES = {
    # VMs by host and state, hosts, silent hosts, exposed VMs, what waits, failures, gone VMs, operations, happenings,
    # changes from outside, alerts; open ones, silences, hosts of their VMs; own password
    "/": PAGE + 15,
    # VMs, their hosts, volumes, snapshots, what is left alone; with advice three more (tests/services/test_advice.py)
    "/advice/": PAGE + 5,
    # VMs by host, hosts, pools, VMs; with numbers and volumes two more (tests/views/test_capacity.py)
    "/capacity/": PAGE + 4,
    # hosts, count, VMs, tags, open operations, others of their UUIDs
    "/vms/": PAGE + 7,
    "/vms/?q=vm&state=running": PAGE + 7,
    # hosts, VMs by host, VMs, tags, open operations, others of their UUIDs
    "/vms/?as=wall": PAGE + 7,
    "/vms/?group=host": PAGE + 7,
    # count, hosts, VMs by host and state
    "/hosts/": PAGE + 3,
    # host, failure, pools, networks, open operation, count, VMs, tags, open operations of them, others of their UUIDs,
    # operations, happenings, changes from outside, alerts, consoles, test, networks of its interfaces, devices of its
    # NUMA nodes, VMs for who uses most
    "/hosts/{host}/": PAGE + 19,
    # host, operations, happenings, changes from outside, alerts, consoles
    "/hosts/{host}/activity/": PAGE + 6,
    # host, VMs and those that may move, hosts, placements, pools, volumes, networks, filters, usable pools, routes,
    # memory, others of their names, trash, all; those that left, the last plan, what goes on
    "/hosts/{host}/maintenance/": PAGE + 19,
    # hosts; hosts, the last plans
    "/plans/": PAGE + 3,
    # among them what broke in it
    "/vms/{vm}/": PAGE + 14,
    # the latest version; disks that it had
    "/vms/{vm}/hardware/": PAGE + 9,
    # its volume, what its guest tells; pools, for that and for where it could go
    "/vms/{vm}/hardware/?part=vda": PAGE + 11,
    # document, report, freezing, keys, own keys
    "/vms/{vm}/agent/": PAGE + 11,
    "/vms/{vm}/xml/": PAGE + 7,
    "/vms/{vm}/pending/": PAGE + 7,
    # count, versions, their operations
    "/vms/{vm}/history/": PAGE + 9,
    "/vms/{vm}/metrics/": PAGE + 6,
    "/vms/{vm}/activity/": PAGE + 11,
    # its definition, and pools for what could be in its drives
    "/vms/{vm}/console/": PAGE + 10,
    # operations, happenings, changes from outside, alerts, consoles
    "/activity/": PAGE + 5,
    # open ones, silences, hosts of their VMs, those that hold, count, ended ones
    "/alerts/": PAGE + 6,
    "/alerts/rules/": PAGE + 1,
    # count, schedules, their last runs, what they hold
    "/schedules/": PAGE + 4,
    # what is known of it (placement, document, pools, volumes, snapshots), the tree, pictures; schedules, which
    # of them are seen, their last runs, what they hold
    "/vms/{vm}/snapshots/": PAGE + 17,
    # operation, VM, host, log
    "/operations/{operation}/": PAGE + 4,
}
LINK = {"name": "eth0", "kind": "ethernet"}
CELL = {"id": 0, "memory_kib": 1024, "cpus": [0], "sockets": [{"id": 0, "cores": [[0]]}], "pages": []}
# Without a frame.
FRAGMENTS = {
    "/vms/rows?ids={vms}": PAGE + 3,
    "/vms/numbers?ids={vms}": PAGE - 1,
    "/vms/rows?as=wall&ids={vms}": PAGE + 3,
    "/vms/screens?ids={vms}": PAGE - 1,
    "/vms/sparks?ids={vms}": PAGE - 1,
    "/vms/{vm}/header": PAGE + 4,
    "/running": PAGE - 1,
}
# Token and user; of VMs rows, tags, count, age, of alerts rows, silences, hosts of their VMs, count.
LISTS = {
    "/vms?page_size=200": 5,
    "/alerts?page_size=200": 5,
    "/hosts?page_size=200": 4,
    "/operations?page_size=200": 3,
    "/schedules?page_size=200": 5,
}


@contextmanager
def counted() -> Iterator[list[str]]:
    """The queries that are asked inside."""
    asked: list[str] = []
    with CaptureQueriesContext(connection) as queries:
        yield asked
    asked += [query["sql"] for query in queries.captured_queries]


@pytest.fixture
def grow(host: Host, alice: User) -> Callable[[int], dict[str, str]]:
    """Adds so many hosts, each with VMs, tags, operations of every end and happenings; what addresses are made of."""

    def add(number: int) -> dict[str, str]:
        vms: list[VirtualMachine] = []
        for at in range(number):
            silent = "host_unreachable" if at % 3 == 1 else ""
            one = Host.objects.create(
                name=f"host-{Host.objects.count()}", heard_at=timezone.now(), error_code=silent, error_params={},
                facts={"links": [LINK] * number}, hardware={"cells": [CELL] * number},
            )  # fmt: skip
            for place in (one, host):
                vm = make_vm(place, f"vm-{place.pk}-{at}", exposed="network" if at % 2 else "", waiting=at)
                Tag.objects.create(vm=vm, name="red")
                make_operation(vm, alice, "vm.start", "failed", error_code="timed_out")
                make_operation(vm, alice, "vm.shutdown", "waiting")
                Happening.objects.create(vm=vm, host=place, code="rebooted")
                for ended in (None, timezone.now()):
                    Alert.objects.create(
                        kind="vm_stopped", subject=f"vm:{vm.pk}", name=vm.name, vm=vm, severity="critical",
                        params={"how": "crashed", "was": "running"}, begun_at=timezone.now(), ended_at=ended,
                    )  # fmt: skip
                make_vm(place, present=False, gone_at=timezone.now() - timedelta(days=1))
                vms.append(vm)
        Document.objects.update(next_boot=MACHINE)
        first = vms[0]
        assert first.placement
        for at in range(number + 1):
            one_of = {"every": "daily", "zone": "UTC", "keep_last": 1, "next_run_at": timezone.now()}
            made_by = Schedule.objects.create(name=f"s-{at}", owner=alice, vm=first, **one_of)
            run = ScheduleRun.objects.create(schedule=made_by, due_at=timezone.now(), begun_at=timezone.now())
            ScheduledSnapshot.objects.create(run=run, schedule=made_by, vm=first, name="n", state="taken")
            parent = f"n-{at - 1}" if at else ""
            Snapshot.objects.create(placement=first.placement, name=f"n-{Snapshot.objects.count()}", parent_name=parent)
        for version in range(1, number + 1):
            made = first.operations.order_by("pk")[0]
            Version.objects.create(vm=first, number=version, xml=MACHINE, operation=made, kind=made.kind)
        return {
            "host": str(first.placement.host_id),
            "vm": str(first.pk),
            "vms": ",".join(str(vm.pk) for vm in VirtualMachine.objects.all()),
            "operation": str(first.operations.order_by("pk")[0].pk),
        }

    return add


@pytest.mark.parametrize(("path", "queries"), [*PAGES.items(), *FRAGMENTS.items()])
def test_a_page_asks_as_much_for_many_as_for_few(
    client_alice: Client, grow: Callable[[int], dict[str, str]], path: str, queries: int
) -> None:
    for number in (2, 15):
        address = path.format(**grow(number))
        assert client_alice.get(address).status_code == 200
        with counted() as asked:
            client_alice.get(address)
        assert len(asked) == queries, "\n".join(asked)


@pytest.mark.parametrize(("path", "queries"), LISTS.items())
def test_a_list_of_the_api_asks_as_much_for_many_as_for_few(
    alice: User, grow: Callable[[int], dict[str, str]], path: str, queries: int
) -> None:
    program = Program(tokens.create(alice)[1])
    for number in (2, 15):
        grow(number)
        assert program.get(path).status_code == 200
        with counted() as asked:
            assert len(program.get(path).json()["items"]) > number
        assert len(asked) == queries, "\n".join(asked)
