"""Screens of VMs as pictures: for whom they are, what stands in their place, and what asking for them asks of whom."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.api.conftest import Program, problem
from tests.conftest import make_vm, sign_in, silence
from tests.grants import grant
from vms import live
from vms.models import Host, LastScreen, User, VirtualMachine
from vms.services import tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

PNG = b"\x89PNG\r\n\x1a\n of a screen"


@pytest.fixture
def program(alice: User) -> Program:
    return Program(tokens.create(alice)[1])


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


@pytest.fixture
def runs(host: Host) -> VirtualMachine:
    return make_vm(host, "web-01", "running")


def looks(host: Host) -> list[str]:
    """What its watcher has been asked for."""
    return [json.loads(item)["name"] for item in live.connection().lrange(live.key("look", host.pk), 0, -1)]


def told(client: Client, *vms: VirtualMachine) -> Any:
    return client.get("/vms/screens", {"ids": ",".join(str(vm.pk) for vm in vms)}).json()


def test_one_question_asks_its_host_for_all(client_alice: Client, host: Host, runs: VirtualMachine) -> None:
    other, dark = make_vm(host, "web-02", "paused", run_id=2), make_vm(host, "web-03", "shut_off")
    assert told(client_alice, runs, other, dark) == {str(runs.pk): ["", ""], str(other.pk): ["", ""]}
    assert looks(host) in ([f"screens:{runs.pk},{other.pk}"], [f"screens:{other.pk},{runs.pk}"])
    live.store_picture(runs.pk, PNG, time.time())
    live.store_no_picture(other.pk, "timed_out")
    answer = told(client_alice, runs, other)
    assert answer[str(runs.pk)][0] and answer[str(runs.pk)][1] == ""
    assert answer[str(other.pk)] == ["", "It does not answer."]
    live.store_picture(runs.pk, PNG + b" later", time.time())
    assert told(client_alice, runs)[str(runs.pk)] != answer[str(runs.pk)]


def test_no_more_are_asked_for_than_stand_on_a_page(client_alice: Client) -> None:
    assert client_alice.get("/vms/screens", {"ids": ",".join(map(str, range(1, 102)))}).status_code == 404


def test_of_a_host_that_is_silent_nothing_is_asked(client_alice: Client, host: Host, runs: VirtualMachine) -> None:
    silence(host)
    assert (told(client_alice, runs), looks(host)) == ({}, [])


def test_who_may_not_watch_is_told_nothing_and_asks_for_nothing(carol: User, host: Host, runs: VirtualMachine) -> None:
    live.store_picture(runs.pk, PNG, time.time())
    client = sign_in(carol)
    grant(carol, "viewer", runs)
    assert (told(client, runs), looks(host)) == ({}, [])
    assert client.get(f"/api/v1/vms/{runs.pk}/screenshot").status_code == 403
    assert "as=wall" not in client.get("/vms/").content.decode()
    grant(carol, "operator", make_vm(host, "own", "running"))
    page = client.get("/vms/?as=wall").content.decode()
    assert (page.count("data-screen="), page.count("You may not see its screen.")) == (1, 1)


def test_the_picture_is_given_as_it_was_taken(program: Program, runs: VirtualMachine, host: Host) -> None:
    first = program.get(f"/vms/{runs.pk}/screenshot")
    assert (first.status_code, first["Retry-After"], first.content) == (202, "1", b"")
    live.store_picture(runs.pk, PNG, time.time())
    answer = program.get(f"/vms/{runs.pk}/screenshot")
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "image/png", PNG)
    assert answer["Cache-Control"] == "no-store"
    assert looks(host) == [f"screens:{runs.pk}"] * 2


@pytest.mark.parametrize("changes", [{"state": "shut_off", "run_id": None}, {"graphics": []}])
def test_where_there_is_no_screen_there_is_no_picture(program: Program, host: Host, changes: dict[str, Any]) -> None:
    vm = make_vm(host, **{"name": "dark", "state": "running", **changes})
    live.store_picture(vm.pk, PNG, time.time())
    assert problem(program.get(f"/vms/{vm.pk}/screenshot"), 409, "no_picture")
    assert looks(host) == []


def test_one_that_cannot_be_taken_is_said_so(program: Program, runs: VirtualMachine) -> None:
    live.store_no_picture(runs.pk, "bad_screen")
    assert problem(program.get(f"/vms/{runs.pk}/screenshot"), 409, "no_picture")


def test_the_last_one_of_a_crash_is_for_whoever_may_watch(program: Program, carol: User, vm: VirtualMachine) -> None:
    assert problem(program.get(f"/vms/{vm.pk}/screenshot?of=crash"), 409, "no_picture")
    LastScreen.objects.create(vm=vm, taken_at=timezone.now(), png=PNG)
    assert program.get(f"/vms/{vm.pk}/screenshot?of=crash").content == PNG
    grant(carol, "viewer", vm)
    assert sign_in(carol).get(f"/api/v1/vms/{vm.pk}/screenshot?of=crash").status_code == 403


def test_the_wall_is_the_list_as_screens(client_alice: Client, host: Host, runs: VirtualMachine) -> None:
    make_vm(host, "db-01", "shut_off")
    page = client_alice.get("/vms/?as=wall&sort=-name").content.decode()
    assert page.index("web-01") < page.index("db-01")
    assert f'data-screen="{runs.pk}"' in page and page.count("data-screen=") == 1
    assert 'href="?sort=-name"' in page and "data-all" not in page
    assert "db-01" not in client_alice.get("/vms/?as=wall&state=running").content.decode()
    row = client_alice.get(f"/vms/rows?as=wall&ids={runs.pk}").content.decode()
    assert f'hx-target="#tile-{runs.pk}"' in row
