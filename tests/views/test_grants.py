"""Grants as people read and change them: on a VM's page, in the list of all, and the answer to why."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from tests.views.test_cost import counted
from vms.models import Grant, Host, Tag, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

GIVE = {"kind": "user", "to": "carol", "role": "viewer"}


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


@pytest.fixture
def owner(mallory: User, vm: VirtualMachine) -> Client:
    grant(mallory, "owner", vm)
    return sign_in(mallory)


def read(client: Client, path: str) -> str:
    """The text of the page, one blank between words."""
    answer: Any = client.get(path, follow=True)
    assert answer.status_code == 200, path
    text = re.sub(r"<[^>]+>", " ", answer.content.decode().split('<main id="main"')[1])
    return " ".join(text.split())


def test_a_line_says_who_what_on_what_and_until_when(
    client_alice: Client, vm: VirtualMachine, host: Host, carol: User, alice: User
) -> None:
    Tag.objects.create(vm=vm, name="web")
    staff = Group.objects.create(name="staff")
    grant(carol, "operator", tag="web", granted_by=alice)
    grant(staff, "viewer", host, ends_at=timezone.now() + timedelta(days=1))
    grant(carol, "editor", tag="other")
    page = read(client_alice, f"/vms/{vm.pk}/access/")
    assert "carol operator on tag web for ever · given by alice" in page
    assert f"group staff viewer on host {host.name} until " in page
    assert "tag other" not in page


def test_a_vm_without_grants_says_so(client_alice: Client, vm: VirtualMachine) -> None:
    assert "Nobody else may do anything here." in read(client_alice, f"/vms/{vm.pk}/access/")


def test_an_owner_reads_no_name_of_a_host_that_he_may_not_see(
    owner: Client, vm: VirtualMachine, host: Host, carol: User
) -> None:
    grant(carol, "viewer", host)
    page = read(owner, f"/vms/{vm.pk}/access/")
    assert "carol viewer on its host" in page and host.name not in page


def test_an_owner_gives_what_he_has_and_takes_it_away(owner: Client, vm: VirtualMachine, carol: User) -> None:
    assert owner.post(f"/vms/{vm.pk}/access/", {**GIVE, "role": "operator"}).status_code == 302
    given = Grant.objects.get(user=carol)
    assert (given.vm, given.role.name) == (vm, "operator")
    question = f"/grants/{given.pk}/take-away/"
    assert "Take away from carol: operator on VM" in read(owner, question)
    assert Grant.objects.filter(pk=given.pk).exists()
    assert owner.post(question)["Location"] == f"/vms/{vm.pk}/access/"
    assert not Grant.objects.filter(pk=given.pk).exists()


def test_who_gives_up_his_own_is_sent_where_he_may_be(owner: Client, mallory: User) -> None:
    own = Grant.objects.get(user=mallory)
    assert owner.post(f"/grants/{own.pk}/take-away/")["Location"] == "/"


def test_what_reaches_wider_than_the_vm_is_no_owners_to_end(owner: Client, vm: VirtualMachine, carol: User) -> None:
    wide = grant(carol, "viewer", everything=True)
    assert f"/grants/{wide.pk}/" not in owner.get(f"/vms/{vm.pk}/access/").content.decode()
    assert owner.post(f"/grants/{wide.pk}/take-away/").status_code == 404
    assert Grant.objects.filter(pk=wide.pk).exists()


@pytest.mark.parametrize(
    ("send", "words"),
    [
        ({"to": "nobody-here"}, "There is no user of exactly this name."),
        ({"kind": "group"}, "There is no group of exactly this name."),
        ({"ends_at": "2020-01-01T10:00"}, "This is over already."),
        ({"ends_at": "never"}, "Enter a valid date/time."),
        ({"role": "administrator"}, "Select a valid choice."),
        ({"role": "creator"}, "Select a valid choice."),
        ({"to": ""}, "This field is required."),
    ],
)
def test_a_refusal_stands_at_its_field(
    client_alice: Client, vm: VirtualMachine, carol: User, send: dict[str, str], words: str
) -> None:
    answer = client_alice.post(f"/vms/{vm.pk}/access/", {**GIVE, **send})
    assert answer.status_code == 200
    assert re.search(rf'class="field-error" id="id_\w+-error">{re.escape(words)}', answer.content.decode())
    assert not Grant.objects.exists()


def test_why_is_answered_with_the_grant_that_decides(
    client_alice: Client, vm: VirtualMachine, carol: User, alice: User
) -> None:
    Tag.objects.create(vm=vm, name="web")
    grant(carol, "operator", tag="web")
    here = f"/vms/{vm.pk}/access/"
    assert "carol may: operator on tag web (carol)." in read(client_alice, f"{here}?user=carol&verb=vm.power")
    assert "carol may not: nothing gives it." in read(client_alice, f"{here}?user=carol&verb=vm.delete")
    assert "alice may: an administrator may do everything." in read(client_alice, f"{here}?user=alice&verb=vm.delete")
    User.objects.filter(pk=carol.pk).update(is_active=False)
    assert "carol may not: the account is switched off." in read(client_alice, f"{here}?user=carol&verb=vm.power")
    assert "There is no user of exactly this name." in read(client_alice, f"{here}?user=who&verb=vm.power")
    assert "Select a valid choice." in read(client_alice, f"{here}?user=carol&verb=host.admin")


def test_what_has_ended_is_neither_said_nor_a_reason(client_alice: Client, vm: VirtualMachine, carol: User) -> None:
    over = timezone.now() - timedelta(minutes=1)
    grant(carol, "operator", vm, ends_at=over)
    here = f"/vms/{vm.pk}/access/"
    assert "Nobody else may do anything here." in read(client_alice, here)
    assert "carol may not: nothing gives it." in read(client_alice, f"{here}?user=carol&verb=vm.power")


def test_of_several_grants_those_in_force_decide(client_alice: Client, vm: VirtualMachine, carol: User) -> None:
    grant(carol, "editor", vm, ends_at=timezone.now() - timedelta(minutes=1))
    grant(carol, "operator", everything=True)
    page = read(client_alice, f"/vms/{vm.pk}/access/?user=carol&verb=vm.power")
    assert "carol may: operator on everything (carol)." in page
    assert "carol editor" not in page and "editor on VM" not in page


def test_the_tab_is_there_for_who_may_open_it(client_alice: Client, vm: VirtualMachine, carol: User) -> None:
    grant(carol, "editor", vm)
    link = f'href="/vms/{vm.pk}/access/"'
    assert link in client_alice.get(f"/vms/{vm.pk}/").content.decode()
    assert link not in sign_in(carol).get(f"/vms/{vm.pk}/").content.decode()
    assert sign_in(carol).get(f"/vms/{vm.pk}/header?tab=access").status_code == 403


@pytest.mark.parametrize(
    ("on", "what", "field", "value"),
    [
        ("everything", "", "everything", True),
        ("host", "host-a", "host__name", "host-a"),
        ("vm", "web-01", "vm__name", "web-01"),
        ("tag", "web", "tag", "web"),
        ("name", "web-*", "prefix", "web-"),
        ("name", "web-01", "name", "web-01"),
    ],
)
def test_an_administrator_gives_on_anything(
    client_alice: Client, host: Host, carol: User, on: str, what: str, field: str, value: object
) -> None:
    Host.objects.filter(pk=host.pk).update(name="host-a")
    make_vm(host, "web-01")
    answer = client_alice.post("/grants/", {**GIVE, "on": on, "what": what})
    assert answer.status_code == 302
    assert Grant.objects.filter(user=carol, **{field: value}).exists()


@pytest.mark.parametrize(
    ("on", "what", "words"),
    [
        ("host", "nowhere", "Nothing of this kind is called exactly so."),
        ("vm", "twin", "Several VMs are called so."),
        ("tag", "", "Name one thing"),
        ("tag", "x" * 51, "A tag has 1 to 50 signs"),
        ("name", "*", "Name one thing"),
        ("everything", "web", "Name one thing"),
    ],
)
def test_what_is_not_one_thing_is_refused_at_its_field(
    client_alice: Client, host: Host, carol: User, on: str, what: str, words: str
) -> None:
    make_vm(host, "twin")
    make_vm(Host.objects.create(name="host-b", node="node-a"), "twin")
    answer = client_alice.post("/grants/", {**GIVE, "on": on, "what": what})
    assert re.search(rf'id="id_what-error">{re.escape(words)}', answer.content.decode())
    assert not Grant.objects.exists()


def test_the_list_is_searched_by_whom_role_and_what(client_alice: Client, host: Host, carol: User) -> None:
    assert "Nobody has been given anything" in read(client_alice, "/grants/")
    grant(carol, "operator", tag="web")
    grant(Group.objects.create(name="staff"), "viewer", host)
    for q, whom, other in (("carol", "carol", "staff"), ("view", "staff", "carol"), ("WEB", "carol", "staff"),
                           (host.name, "staff", "carol")):  # fmt: skip
        page = read(client_alice, f"/grants/?q={q}")
        assert whom in page and other not in page, q
    assert "No grant is like that." in read(client_alice, "/grants/?q=nothing")


def test_the_side_bar_leads_there_for_administrators_alone(client_alice: Client, client_mallory: Client) -> None:
    assert 'href="/grants/"' in client_alice.get("/").content.decode()
    assert 'href="/grants/"' not in client_mallory.get("/").content.decode()


def test_many_grants_ask_as_much_as_few(
    client_alice: Client, owner: Client, vm: VirtualMachine, host: Host, carol: User
) -> None:
    for client, path in ((client_alice, "/grants/"), (client_alice, f"/vms/{vm.pk}/access/"),
                         (owner, f"/vms/{vm.pk}/access/")):  # fmt: skip
        asked = []
        for _ in range(2):
            for number in range(10):
                someone = User.objects.create(username=f"user-{User.objects.count()}")
                grant(someone, "viewer", vm)
                grant(someone, "viewer", host if number % 2 else None, **({} if number % 2 else {"everything": True}))
            client.get(path)
            with counted() as queries:
                client.get(path)
            asked.append(len(queries))
        assert asked[0] == asked[1], path
