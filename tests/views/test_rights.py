"""What somebody sees who may see a VM, but neither its neighbours nor its host: nothing tells of these."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.api.conftest import Program
from tests.conftest import make_vm, sign_in, silence
from tests.grants import grant
from vms.models import Happening, Host, Operation, OperationLog, Placement, Tag, User, VirtualMachine
from vms.services import tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


@pytest.fixture
def page(carol: User) -> Any:
    """page(address): what carol reads there."""
    browser = sign_in(carol)

    def read(path: str, status: int = 200) -> str:
        answer = browser.get(path, follow=True)
        assert answer.status_code == status, path
        return answer.content.decode()

    return read


@pytest.fixture
def program(carol: User) -> Program:
    return Program(tokens.create(carol)[1])


@pytest.fixture
def site(host: Host, alice: User, carol: User) -> VirtualMachine:
    """carol operates web-01; db-01 and cache-01 stand beside it, on host-a and host-b."""
    other = Host.objects.create(name="host-b", node="node-a", heard_at=host.heard_at)
    mine = make_vm(host, "web-01")
    for neighbour in (make_vm(host, "db-01"), make_vm(other, "cache-01")):
        Tag.objects.create(vm=neighbour, name="foreign-tag")
        Happening.objects.create(vm=neighbour, host=host, code="appeared")
        make_operation(neighbour, alice, state="running")
        make_operation(neighbour, alice, state="failed", error_code="timed_out")
    Happening.objects.create(host=host, code="host_silent")
    grant(carol, "operator", mine)
    return mine


def make_operation(vm: VirtualMachine, user: User, kind: str = "vm.start", **fields: Any) -> Operation:
    return Operation.objects.create(
        kind=kind, actor_user=user, actor_name=user.username, target_kind="vm", target_id=vm.pk, target_name=vm.name,
        vm=vm, host=Placement.objects.get(current_of=vm).host, node="node-a", queue="quick", **fields,
    )  # fmt: skip


FOREIGN = ("db-01", "cache-01", "host-a", "host-b", "foreign-tag", "alice")


@pytest.mark.parametrize(
    "path",
    ["/", "/vms/", "/vms/?group=host", "/vms/?sort=host", "/vms/?q=0", "/activity/", "/running", "/hosts/",
     "/capacity/", "/advice/", "/vms/{pk}/", "/vms/{pk}/activity/", "/vms/{pk}/console/", "/vms/{pk}/serial/",
     "/vms/{pk}/header", "/vms/{pk}/agent/", "/vms/{pk}/force-off/", "/vms/rows?ids={pk},{pk}",
     "/vms/numbers?ids={pk}"],
)  # fmt: skip
def test_no_page_tells_of_a_neighbour_or_of_the_host(path: str, page: Any, site: VirtualMachine) -> None:
    text = page(path.format(pk=site.pk))
    assert [word for word in FOREIGN if word in text] == []


@pytest.mark.parametrize(
    "path",
    [
        "/vms",
        "/vms/{pk}",
        "/hosts",
        "/operations",
        "/top",
        "/top?over=day",
        "/capacity",
        "/advice",
        "/vms?sort=host",
        "/vms?q=0",
    ],
)
def test_no_answer_of_the_api_does(path: str, program: Program, site: VirtualMachine) -> None:
    answer = program.get(path.format(pk=site.pk))
    assert answer.status_code == 200
    assert [word for word in FOREIGN if word in answer.content.decode()] == []


def test_what_is_counted_is_what_one_sees(page: Any, program: Program, site: VirtualMachine) -> None:
    assert '<span class="count">1</span>' in page("/vms/")
    assert program.get("/vms").json()["count"] == 1
    assert program.get("/hosts").json()["count"] == 0
    assert program.get("/operations").json()["count"] == 0


def test_a_host_that_one_may_not_see_is_no_filter(page: Any, program: Program, site: VirtualMachine) -> None:
    host = Placement.objects.get(current_of=site).host_id
    page(f"/vms/?host={host}", 404)
    assert program.get(f"/vms?host={host}").json()["count"] == 0


def test_who_may_see_the_host_is_told_its_name(page: Any, program: Program, carol: User, site: VirtualMachine) -> None:
    assert program.get(f"/vms/{site.pk}").json()["host"] is None
    grant(carol, "viewer", Placement.objects.get(current_of=site).host)
    assert "host-a" in page(f"/vms/{site.pk}/")
    assert program.get(f"/vms/{site.pk}").json()["host"]["name"] == "host-a"


def test_a_list_by_host_puts_the_others_last(page: Any, carol: User, site: VirtualMachine, host: Host) -> None:
    third = Host.objects.create(name="host-c", node="node-a", heard_at=host.heard_at)
    grant(carol, "viewer", third)
    grant(carol, "viewer", Host.objects.create(name="host-d", node="node-a", heard_at=host.heard_at))
    make_vm(third, "zeta-01")
    text = page("/vms/?group=host")
    assert text.index("host-c") < text.index("zeta-01") < text.index("on other hosts") < text.index("web-01")
    assert "host-a" not in text


def test_a_silent_host_is_told_without_its_name(page: Any, program: Program, site: VirtualMachine, host: Host) -> None:
    silence(host, "libvirt said host-a")
    assert "Its host is not answering" in page(f"/vms/{site.pk}/")
    answer = program.post(f"/vms/{site.pk}/pause")
    assert answer.status_code == 409
    assert answer.json()["detail"] == "Its host is not answering. Nothing can be asked of it until it does."
    assert "host-a" not in answer.content.decode()
    waits = program.post(f"/vms/{site.pk}/pause", {"when_silent": "wait"})
    assert waits.status_code == 202
    shown = program.get(f"/operations/{waits.json()['operation']['id']}")
    assert shown.json()["log"][0]["text"] == "Its host is not answering. It is done when it does."
    for text in (shown.content.decode(), page(f"/vms/{site.pk}/"), page("/activity/"), page("/running")):
        assert "host-a" not in text


def test_a_host_that_is_left_alone_too(page: Any, program: Program, site: VirtualMachine, host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(left_alone=True)
    for path in ("/pause", "/console"):
        answer = program.post(f"/vms/{site.pk}{path}", {} if path == "/console" else None)
        assert answer.status_code == 409 and "host-a" not in answer.content.decode()
        assert answer.json()["detail"].startswith("Its host is left alone")
    for path in ("", "console/", "serial/"):
        assert "host-a" not in page(f"/vms/{site.pk}/{path}")


@pytest.mark.parametrize(
    ("code", "params"),
    [
        ("name_unknown", {"address": "host-a.example.org"}),
        ("host_silent", {"host": "host-a", "since": ""}),
        ("same_machine", {"host": "host-b", "host_id": 3}),
        ("key_refused", {"address": "host-a", "user": "root"}),
    ],
)
def test_why_it_failed_is_told_without_the_host(
    code: str, params: dict[str, Any], page: Any, program: Program, site: VirtualMachine, carol: User
) -> None:
    failed = make_operation(
        site, carol, "vm.start", state="failed", error_code=code, error_params=params, details="host-a said no",
        ended_at=Host.objects.first().heard_at,  # type: ignore[union-attr]
    )  # fmt: skip
    OperationLog.objects.create(operation=failed, code="claimed", params={"worker": "worker@host-a"})
    OperationLog.objects.create(operation=failed, code=code, params=params)
    for path in ("/", "/activity/", f"/operations/{failed.pk}/", f"/vms/{site.pk}/"):
        text = page(path)
        assert "host-a" not in text and "host-b" not in text
    for path in ("", f"/{failed.pk}"):
        text = program.get(f"/operations{path}").content.decode()
        assert "host-a" not in text and "host-b" not in text
    grant(carol, "viewer", Placement.objects.get(current_of=site).host)
    assert "host-a said no" in page(f"/operations/{failed.pk}/")


def test_how_a_host_is_reached_is_for_administrators(program: Program, carol: User, alice: User, host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(address="192.0.2.9", user="root", transport="ssh", public_key="ssh-x AAA")
    grant(carol, "owner", host)
    shown = program.get(f"/hosts/{host.pk}").json()
    assert (shown["name"], shown["host"], shown["user"], shown["public_key"]) == ("host-a", "", "", "")
    for scopes, address in ((("viewer", "host.admin"), "192.0.2.9"), (("all",), "")):
        told = Program(tokens.create(alice, scopes=scopes)[1]).get(f"/hosts/{host.pk}").json()
        assert told["host"] == address


VERBS = {
    "viewer": [],
    "operator": ["pause", "force-off"],
    "editor": ["pause", "force-off", "autostart"],
    "owner": ["pause", "force-off", "autostart"],
}


@pytest.mark.parametrize("role", VERBS)
def test_menus_offer_what_one_may(role: str, carol: User, page: Any, vm: VirtualMachine) -> None:
    grant(carol, role, vm)
    text = page(f"/vms/{vm.pk}/")
    for verb in ("pause", "force-off"):
        assert (reverse(f"vm-{verb}", args=[vm.pk]) in text) == (verb in VERBS[role])
    assert (reverse("vm-console", args=[vm.pk]) in text) == (role != "viewer")
    assert (reverse("vm-xml", args=[vm.pk]) in text) == (role in ("editor", "owner"))
    assert ("Send keys" in text) == (role != "viewer")
    row = page("/vms/")
    lacks = row.partition('data-lacks="')[2].partition('"')[0].split() if "data-lacks" in row else []
    assert ("pause" in lacks) == (role == "viewer")
    assert ("boot-cd" in lacks) == (role in ("viewer", "operator"))


def test_a_failure_is_put_away_by_who_could_mend_it(
    carol: User, alice: User, page: Any, vm: VirtualMachine, host: Host
) -> None:
    failed = make_operation(vm, alice, state="failed", error_code="timed_out", ended_at=host.heard_at)
    grant(carol, "viewer", vm)
    read = reverse("operation-read", args=[failed.pk])
    assert read not in page("/") and read not in page(f"/vms/{vm.pk}/")
    assert sign_in(carol).post(read).status_code == 403
    failed.refresh_from_db()
    assert failed.read_at is None
    grant(carol, "operator", vm)
    assert read in page("/") and read in page(f"/vms/{vm.pk}/")
    assert sign_in(carol).post(read).status_code == 302


def test_in_bulk_each_is_refused_on_its_own(carol: User, host: Host) -> None:
    mine, seen = make_vm(host, "mine"), make_vm(host, "seen")
    grant(carol, "operator", mine)
    grant(carol, "viewer", seen)
    answer = sign_in(carol).post("/vms/bulk/pause/", {"vm": [mine.pk, seen.pk]}, follow=True)
    assert "seen: You may not do this" in answer.content.decode()
    assert [operation.vm for operation in Operation.objects.all()] == [mine]


def test_the_list_of_who_is_no_administrator_has_its_queries(
    carol: User, host: Host, django_assert_num_queries: Any
) -> None:
    for number in range(30):
        make_vm(host, f"web-{number:02}")
    grant(carol, "operator", prefix="web")
    grant(carol, "viewer", tag="red")
    browser: Client = sign_in(carol)
    browser.get("/vms/")
    with django_assert_num_queries(20):
        assert browser.get("/vms/").status_code == 200


def test_menus_that_are_kept_are_those_of_who_reads(
    client_alice: Client, carol: User, vm: VirtualMachine, page: Any
) -> None:
    """They are kept as text from one page to the next: by what their reader may, the page, and whether it is a VM's."""
    grant(carol, "viewer", vm)
    for _ in range(2):
        everything, little = client_alice.get("/vms/").content.decode(), page("/vms/")
        for address in ("/users/", "/audit/", "/groups/", "/sizes/", "/quotas/"):
            assert f'href="{address}"' in everything, address
            assert f'href="{address}"' not in little, address
    one = vm.placement.host_id if vm.placement else 0
    assert f'href="/hosts/{one}/"' in everything and "/hosts/" not in little
    assert (
        'class="within"' not in everything and 'class="within"' in client_alice.get(f"/vms/{vm.pk}/").content.decode()
    )
    Host.objects.create(name="second")
    assert 'href="/hosts/"' in client_alice.get("/vms/").content.decode()
