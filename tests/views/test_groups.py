"""Groups by page and by API, and where they show at a user and in the list of grants."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from tests.conftest import sign_in
from tests.grants import grant
from tests.views.test_cost import counted
from tests.views.test_grants import read
from vms.models import Grant, Host, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


@pytest.fixture
def staff(carol: User) -> Group:
    staff = Group.objects.create(name="staff")
    carol.groups.add(staff)
    return staff


def test_a_group_is_made_filled_renamed_and_removed(client_alice: Client, carol: User, vm: VirtualMachine) -> None:
    page = client_alice.post("/groups/add/", {"name": " night  crew "})["Location"]
    group = Group.objects.get(name="night  crew")
    assert page == f"/groups/{group.pk}/"
    assert "Nobody is in it." in read(client_alice, page) and "Nothing is granted to it." in read(client_alice, page)
    assert client_alice.post(f"{page}join/", {"member": "carol"})["Location"] == page
    assert "carol Take out" in read(client_alice, page)
    assert client_alice.post(f"{page}rename/", {"name": "crew"})["Location"] == page
    grant(group, "operator", vm)
    question = read(client_alice, f"{page}remove/")
    assert f"within seconds: operator on VM {vm.name} They are taken from carol ." in question
    assert Group.objects.filter(pk=group.pk).exists()
    assert client_alice.post(f"{page}leave/", {"user": carol.pk})["Location"] == page
    assert f"operator on VM {vm.name} Nobody is in it." in read(client_alice, f"{page}remove/")
    assert client_alice.post(f"{page}remove/")["Location"] == "/groups/"
    assert not Group.objects.exists() and not Grant.objects.exists()
    assert client_alice.get(page).status_code == 404


@pytest.mark.parametrize(
    ("verb", "send", "field", "words"),
    [
        ("join", {"member": "nobody"}, "member", "There is no user of exactly this name."),
        ("join", {"member": ""}, "member", "This field is required."),
        ("rename", {"name": "OTHER"}, "name", "There is a group of this name."),
        ("rename", {"name": "a\u202eb"}, "name", "1 to 150 signs"),
    ],
)
def test_a_refusal_stands_at_its_field(
    client_alice: Client, staff: Group, verb: str, send: dict[str, str], field: str, words: str
) -> None:
    Group.objects.create(name="other")
    answer = client_alice.post(f"/groups/{staff.pk}/{verb}/", send).content.decode()
    assert f'id="id_{field}-error">{words}' in answer and "carol" in answer
    assert sorted(Group.objects.values_list("name", flat=True)) == ["other", "staff"]


def test_nobody_is_taken_out_who_is_nobody(client_alice: Client, staff: Group) -> None:
    for user in ("", "0", "9" * 30, "carol"):
        assert client_alice.post(f"/groups/{staff.pk}/leave/", {"user": user}).status_code == 404
    assert staff.user_set.count() == 1


def test_the_list_counts_and_is_searched_from_ten_on(client_alice: Client, staff: Group, vm: VirtualMachine) -> None:
    grant(staff, "viewer", vm)
    grant(staff, "editor", vm)
    User.objects.create(username="dave").groups.add(staff)
    assert "staff 2 members · 2 grants" in read(client_alice, "/groups/")
    assert "Find groups" not in client_alice.get("/groups/").content.decode()
    for number in range(9):
        Group.objects.create(name=f"crew-{number}")
    assert "Find groups" in client_alice.get("/groups/").content.decode()
    found = read(client_alice, "/groups/?q=STAF")
    assert "staff" in found and "crew" not in found
    assert "No group is called so." in read(client_alice, "/groups/?q=nothing")


def test_the_side_bar_leads_there_for_administrators_alone(client_alice: Client, client_mallory: Client) -> None:
    assert 'href="/groups/"' in client_alice.get("/").content.decode()
    assert 'href="/groups/"' not in client_mallory.get("/").content.decode()


def test_a_users_page_says_which_rights_come_from_where(
    client_alice: Client, staff: Group, carol: User, vm: VirtualMachine, host: Host
) -> None:
    other = Group.objects.create(name="other")
    grant(carol, "viewer", vm)
    grant(staff, "operator", host)
    grant(other, "owner", everything=True)
    page = read(client_alice, f"/users/{carol.pk}/")
    assert "Groups: staff carol viewer on VM" in page
    assert page.index("carol viewer on VM") < page.index(f"group staff operator on host {host.name}")
    assert "owner" not in page
    content = client_alice.get(f"/users/{carol.pk}/").content.decode()
    assert f'href="/groups/{staff.pk}/"' in content
    assert 'href="/grants/?kind=user&amp;to=carol#give-title"' in content
    alone = read(client_alice, f"/users/{User.objects.create(username='dave').pk}/")
    assert "Groups: none No grant reaches this account." in alone


def test_give_opens_the_form_with_who_gets_it_and_gives_nothing(client_alice: Client, staff: Group) -> None:
    content = client_alice.get("/grants/?kind=group&to=staff").content.decode()
    assert '<option value="group" selected>' in content and 'value="staff"' in content
    assert (
        'href="/grants/?kind=group&amp;to=staff#give-title"'
        in client_alice.get(f"/groups/{staff.pk}/").content.decode()
    )
    assert not Grant.objects.exists()


def test_an_owner_reads_a_groups_name_and_no_link_to_it(staff: Group, mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "owner", vm)
    grant(staff, "viewer", vm)
    client = sign_in(mallory)
    assert "group staff viewer on VM" in read(client, f"/vms/{vm.pk}/access/")
    assert "/groups/" not in client.get(f"/vms/{vm.pk}/access/").content.decode()


def test_many_members_ask_as_much_as_few(client_alice: Client, staff: Group, vm: VirtualMachine) -> None:
    grant(staff, "viewer", vm)
    for path in (f"/groups/{staff.pk}/", f"/groups/{staff.pk}/remove/", "/groups/"):
        asked = []
        for _ in range(2):
            for _ in range(10):
                someone = User.objects.create(username=f"user-{User.objects.count()}")
                someone.groups.add(staff, Group.objects.create(name=someone.username))
                grant(staff, "viewer", vm)
            client_alice.get(path)
            with counted() as queries:
                client_alice.get(path)
            asked.append(len(queries))
        assert asked[0] == asked[1], path


def test_the_api_does_the_same_by_session_alone(client_alice: Client, carol: User) -> None:
    post: dict[str, Any] = {"content_type": "application/json"}
    made = client_alice.post("/api/v1/groups", '{"name": "crew"}', **post)
    here = made["Location"]
    assert made.status_code == 201 and made.json() == client_alice.get(here).json()
    assert client_alice.put(f"{here}/members/{carol.pk}").status_code == 204
    assert client_alice.get(f"{here}/members").json()["items"] == [{"id": carol.pk, "name": "carol"}]
    renamed = client_alice.patch(here, '{"name": "night crew"}', **post).json()
    assert (renamed["name"], renamed["members"], renamed["grants"]) == ("night crew", 1, 0)
    taken = client_alice.post("/api/v1/groups", '{"name": "Night Crew"}', **post)
    assert (taken.status_code, taken.json()["errors"][0]["code"]) == (422, "group_taken")
    assert client_alice.put(f"{here}/members/999").status_code == 404
    assert client_alice.delete(f"{here}/members/{carol.pk}").status_code == 204
    assert client_alice.get("/api/v1/groups?q=NIGHT").json()["count"] == 1
    assert client_alice.delete(here).status_code == 204
    assert client_alice.get(here).status_code == 404
