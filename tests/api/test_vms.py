"""VMs as JSON, and what can be done with them."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest
from django.utils import timezone

from tests.api.conftest import Program, problem
from tests.conftest import make_vm, silence
from tests.routes import put_in_trash
from vms.api.vms import SortChoice, StateChoice
from vms.kinds import KINDS
from vms.models import Document, Host, Operation, OperationLock, Placement, Tag, User, VirtualMachine
from vms.services.lists import SORTS, STATES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_the_choices_are_those_of_the_pages() -> None:
    assert set(get_args(StateChoice)) == set(STATES)
    assert set(get_args(SortChoice)) == {*SORTS, *(f"-{name}" for name in SORTS)}


def test_it_lists_what_the_watcher_saw(program: Program, host: Host) -> None:
    vm = make_vm(host, addresses=["10.0.0.12"], title="Shop", state_reason="booted")
    Tag.objects.create(vm=vm, name="demo")
    body = program.get("/vms").json()
    item = body["items"][0]
    assert body["count"] == 1 and body["fresh_at"] == item["seen_at"]
    assert vm.placement is not None
    assert {
        "id": vm.pk, "uuid": str(vm.placement.uuid), "name": "web-01", "title": "Shop", "state": "running",
        "host": {"id": host.pk, "name": "host-a"}, "state_reason": "booted", "vcpus": 2, "memory_mib": 1024,
        "addresses": ["10.0.0.12"], "tags": ["demo"], "graphics": ["vnc"], "present": True, "host_answering": True,
    }.items() <= item.items()  # fmt: skip
    assert item["seen_at"].endswith("Z")


def test_it_searches_filters_sorts_and_pages(program: Program, host: Host) -> None:
    for number in range(5):
        make_vm(host, f"web-{number}", state="paused" if number == 3 else "running")
    make_vm(host, "db")

    def names(query: str) -> list[str]:
        return [item["name"] for item in program.get(f"/vms?{query}").json()["items"]]

    assert names("q=web&sort=-name&page=2&page_size=2") == ["web-2", "web-1"]
    assert names("state=paused") == ["web-3"]
    assert names(f"host={host.pk + 1}") == []
    assert len(names("q=&state=&host=&sort=&page=&page_size=")) == 6
    assert program.get("/vms?q=web&page_size=1").json()["count"] == 5
    assert names("page=1000000&page_size=200") == []


@pytest.mark.parametrize(
    "query",
    ["page_size=201", "page_size=0", "page=0", "page=x", "page=1e3", "sort=actor__password", "state=on", "host=0",
     "host=99999999999999999999", f"q={'x' * 301}", "stat=running", "vm_id=1", "q=a&format=json"],
)  # fmt: skip
def test_it_refuses_a_query_that_does_not_fit(program: Program, query: str) -> None:
    body = problem(program.get(f"/vms?{query}"), 422, "invalid")
    assert body["errors"][0]["where"][0] == "query"


def test_a_list_is_as_fresh_as_its_oldest_host(program: Program, host: Host) -> None:
    old = Host.objects.create(name="host-b", node="b", heard_at=timezone.now() - timedelta(hours=1))
    make_vm(host)
    assert program.get("/vms").json()["fresh_at"] == program.get(f"/hosts/{old.pk}").json()["heard_at"]
    Host.objects.create(name="host-c", node="c")
    assert program.get("/vms").json()["fresh_at"] is None
    assert program.get(f"/vms?host={host.pk}").json()["fresh_at"] is not None


def test_a_silent_host_and_a_vm_that_is_gone_say_so(program: Program, host: Host) -> None:
    vm = make_vm(host, present=False, gone_at=timezone.now())
    Host.objects.update(error_code="host_unreachable")
    item = program.get(f"/vms/{vm.pk}").json()
    assert (item["host_answering"], item["present"]) == (False, False) and item["gone_at"]


def test_a_page_of_200_costs_as_many_queries_as_one_of_one(
    program: Program, host: Host, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    for number in range(30):
        make_vm(host, f"web-{number}")
    program.get("/vms")
    with django_assert_max_num_queries(5):  # type: ignore[operator]
        assert len(program.get("/vms?page_size=200").json()["items"]) == 30


def test_what_one_may_not_see_answers_like_what_is_not_there(stranger: Program, vm: VirtualMachine) -> None:
    hidden, absent = stranger.get(f"/vms/{vm.pk}"), stranger.get("/vms/987654")
    problem(hidden, 404, "not_there")
    assert hidden.content == absent.content and hidden.headers == absent.headers
    assert stranger.get("/vms").json() == {"items": [], "count": 0, "fresh_at": None}
    problem(stranger.post(f"/vms/{vm.pk}/reset"), 404, "not_there")
    assert not Operation.objects.exists()


BODIES = {"send-key": {"keys": "Control+Alt+Delete"}, "autostart": {"enabled": True}, "eject": {"drive": "sda"}}
VERBS = {kind.verb: kind for kind in KINDS.values() if kind.target == "vm" and not kind.apart}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_address(program: Program, host: Host, verb: str) -> None:
    kind = VERBS[verb]
    vm = make_vm(host, state=sorted(kind.states)[0] if kind.states else "running")
    response = program.post(f"/vms/{vm.pk}/{verb}", BODIES.get(verb))
    assert response.status_code == 202, response.content
    operation = Operation.objects.get()
    body = response.json()["operation"]
    assert (operation.kind, body["id"], body["state"]) == (kind.name, operation.pk, "queued")
    assert response["Location"] == f"/api/v1/operations/{operation.pk}"
    assert body["target"] == {"kind": "vm", "id": vm.pk, "name": "web-01"}


@pytest.mark.parametrize(
    ("verb", "body"),
    [("autostart", None), ("autostart", {}), ("autostart", {"enabled": 1}), ("autostart", {"enabled": "true"}),
     ("autostart", {"enabled": True, "at": 3}), ("send-key", {}), ("send-key", {"keys": ["Control"]})],
)  # fmt: skip
def test_parameters_are_of_their_type_and_no_others(
    program: Program, vm: VirtualMachine, verb: str, body: object
) -> None:
    problem(program.post(f"/vms/{vm.pk}/{verb}", body), 422, "invalid")
    assert not Operation.objects.exists()


def test_keys_that_are_none_are_refused(program: Program, vm: VirtualMachine) -> None:
    refused = problem(program.post(f"/vms/{vm.pk}/send-key", {"keys": "p+a+s+s"}), 422, "bad_parameters")
    assert refused["params"] == {"field": "keys"}
    assert not Operation.objects.exists()


def test_what_is_for_the_next_start_needs_one(program: Program, host: Host) -> None:
    vm = make_vm(host, persistent=False)
    problem(program.post(f"/vms/{vm.pk}/save"), 409, "not_kept")
    problem(program.post(f"/vms/{vm.pk}/autostart", {"enabled": True}), 409, "not_kept")


def test_a_second_is_refused_and_told_which_is_in_the_way(program: Program, vm: VirtualMachine) -> None:
    first = program.post(f"/vms/{vm.pk}/pause").json()["operation"]
    body = problem(program.post(f"/vms/{vm.pk}/reset"), 409, "locked")
    blocking = body["blocking_operation"]
    assert (blocking["id"], blocking["kind"], blocking["actor"]) == (first["id"], "vm.pause", "alice")
    assert "alice" in body["detail"]


def test_the_wrong_state_is_refused_with_the_state(program: Program, vm: VirtualMachine) -> None:
    assert problem(program.post(f"/vms/{vm.pk}/start"), 409, "wrong_state")["params"]["state"] == "running"


def test_a_silent_host_refuses_work(program: Program, vm: VirtualMachine) -> None:
    silence(Host.objects.get())
    problem(program.post(f"/vms/{vm.pk}/reset"), 409, "host_silent")


def test_it_waits_for_a_silent_host_by_choice(program: Program, vm: VirtualMachine) -> None:
    silence(Host.objects.get())
    problem(program.post(f"/vms/{vm.pk}/reset", {"when_silent": "refuse"}), 409, "host_silent")
    problem(program.post(f"/vms/{vm.pk}/reset", {"when_silent": "hope"}), 422, "invalid")
    asked = program.post(f"/vms/{vm.pk}/reset", {"when_silent": "wait"})
    assert asked.status_code == 202
    assert asked.json()["operation"]["state"] == "queued" and asked.json()["operation"]["waits_until"]


def test_an_idempotency_key_repeats_the_answer_and_not_the_work(program: Program, vm: VirtualMachine) -> None:
    first, again = (program.post(f"/vms/{vm.pk}/pause", **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert first.status_code == again.status_code == 202
    assert first.json()["operation"]["id"] == again.json()["operation"]["id"]
    problem(program.post(f"/vms/{vm.pk}/reset", **{"Idempotency-Key": "k1"}), 422, "bad_parameters")
    problem(program.post(f"/vms/{vm.pk}/reset", **{"Idempotency-Key": "k" * 101}), 422, "invalid")
    assert Operation.objects.count() == 1


@pytest.mark.parametrize("body", [[], "x", 1, {"force": True}, {"": None}])
def test_a_verb_takes_no_body_but_an_empty_object(program: Program, vm: VirtualMachine, body: object) -> None:
    problem(program.post(f"/vms/{vm.pk}/pause", body), 422, "invalid")
    assert program.post(f"/vms/{vm.pk}/pause", {}).status_code == 202


def test_one_uuid_on_two_hosts_is_told_and_started_once(program: Program, vm: VirtualMachine) -> None:
    assert vm.placement
    other = Host.objects.create(name="host-b", node="node-b")
    copy = make_vm(other, "copy", "shut_off")
    Placement.objects.filter(current_of=copy).update(uuid=vm.placement.uuid)
    assert program.get(f"/vms/{vm.pk}").json()["twins"] == [
        {"vm": copy.pk, "name": "copy", "host": {"id": other.pk, "name": "host-b"}, "state": "shut_off"}
    ]
    refused = problem(program.post(f"/vms/{copy.pk}/start"), 409, "runs_elsewhere")
    assert refused["params"] == {"name": "web-01", "host": "host-a"}


def test_a_vm_is_deleted_put_back_and_purged_by_addresses_of_their_own(
    program: Program, vm: VirtualMachine, alice: User
) -> None:
    told = program.get(f"/vms/{vm.pk}/belongings").json()
    assert (told["goes"], told["runs"], told["there"], told["trash"]) == ([], True, True, True)
    other = program.post(f"/vms/{vm.pk}/delete", {"seen": "0" * 64})
    assert (other.status_code, other.json()["code"]) == (409, "belongings_changed")
    for wish in ({"trash": False}, {"trash": False, "confirm": "web-02"}, {"volumes": [7]}):
        problem(program.post(f"/vms/{vm.pk}/delete", wish), 422, "bad_fields")
    asked = program.post(f"/vms/{vm.pk}/delete", {"seen": told["digest"]})
    assert (asked.status_code, asked.json()["operation"]["kind"]) == (202, "vm.trash")
    OperationLock.objects.all().delete()
    put_in_trash(vm, alice)
    assert program.get(f"/vms/{vm.pk}").status_code == 404
    [item] = program.get("/trash").json()["items"]
    assert (item["name"], item["deleted_by"], item["present"], item["unfinished"]) == ("web-01", "alice", True, False)
    problem(program.post(f"/trash/{vm.pk}/purge", {"confirm": "web"}), 422, "bad_fields")
    assert program.post(f"/trash/{vm.pk}/restore").json()["operation"]["kind"] == "vm.put-back"
    OperationLock.objects.all().delete()
    assert program.post(f"/trash/{vm.pk}/purge", {"confirm": "web-01"}).json()["operation"]["kind"] == "vm.delete"


def test_what_stands_nowhere_is_told_as_a_problem(program: Program) -> None:
    for path in ("/nothing", "/vms/x/tags", "/vms/%C3%AF%0A/tags", "/%0A"):
        problem(program.get(path), 404, "not_there")


def test_its_cds_are_told_and_ejected(program: Program, host: Host) -> None:
    vm = make_vm(host)
    VirtualMachine.objects.update(installs_from="p/debian.iso", restarted_at=timezone.now())
    drive = {"target": "sda", "device": "cdrom", "source": "p/debian.iso"}
    empty = {**drive, "target": "sdb", "source": ""}
    Document.objects.update(facts={"disks": [drive, empty, {**drive, "device": "disk"}]})
    cds = program.get(f"/vms/{vm.pk}").json()["cds"]
    assert cds == [
        {"drive": "sda", "medium": "p/debian.iso", "installed": True},
        {"drive": "sdb", "medium": None, "installed": False},
    ]
    assert program.post(f"/vms/{vm.pk}/keep-cd").status_code == 204
    assert not program.get(f"/vms/{vm.pk}").json()["cds"][0]["installed"]
    assert program.post(f"/vms/{vm.pk}/eject", {"drive": "sda"}).status_code == 202
    assert program.post(f"/vms/{vm.pk}/eject", {"drive": "/dev/sr0"}).status_code in (400, 422)
