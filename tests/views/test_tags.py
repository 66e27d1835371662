"""Tags on the pages: changed on a VM's own, refused where they would give rights, clicked in the list."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.api.conftest import Program
from tests.conftest import make_vm, sign_in
from tests.grants import grant
from tests.views.test_power import HX
from vms.models import AuditEvent, Grant, Host, Role, Tag, User, VirtualMachine
from vms.services import tokens
from vms.views import tags as views

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def names(vm: VirtualMachine) -> list[str]:
    return sorted(vm.tags.values_list("name", flat=True))


def test_the_vm_has_what_was_entered_and_no_others(client_alice: Client, vm: VirtualMachine) -> None:
    Tag.objects.create(vm=vm, name="old")
    page = f"/vms/{vm.pk}/tags/"
    assert 'value="old"' in client_alice.get(f"/vms/{vm.pk}/").content.decode()
    assert client_alice.post(page, {"tags": " web, two words ,, web"})["Location"] == f"/vms/{vm.pk}/"
    assert names(vm) == ["two words", "web"]
    client_alice.post(page, {"tags": ""})
    assert names(vm) == []


@pytest.mark.parametrize(
    ("tags", "words"), [("x" * 51, "A tag has 1 to 50 signs"), (",".join(map(str, range(21))), "A VM has 20 tags")]
)
def test_what_is_no_tag_is_refused_at_the_field(
    client_alice: Client, vm: VirtualMachine, tags: str, words: str
) -> None:
    answer = client_alice.post(f"/vms/{vm.pk}/tags/", {"tags": tags}).content.decode()
    assert f'id="id_tags-error">{words}' in answer and names(vm) == []


def test_a_tag_that_would_give_rights_is_refused_in_words(mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "editor", vm)
    owner = User.objects.create(username="olga")
    grant(owner, "owner", vm)
    role = Role.objects.create(name="mover")
    role.privileges.create(name="vm.migrate")
    Grant.objects.create(user=mallory, role=role, tag="move")
    client = sign_in(owner)
    refused = client.post(f"/vms/{vm.pk}/tags/", {"tags": "move"}).content.decode()
    assert "With the tag “move” somebody would have rights on" in refused and names(vm) == []
    grant(mallory, "owner", tag="gift")
    assert client.post(f"/vms/{vm.pk}/tags/", {"tags": "gift"}).status_code == 302


def test_a_click_on_a_tag_lists_those_that_have_it(client_alice: Client, host: Host, alice: User) -> None:
    for name, tag in (("web-01", "a&b"), ("db-01", "a"), ("db-02", "A")):
        Tag.objects.create(vm=make_vm(host, name), name=tag)
    page = client_alice.get("/vms/").content.decode()
    assert 'href="/vms/?tag=a%26b"' in page
    found = client_alice.get("/vms/?tag=a%26b").content.decode()
    assert "web-01" in found and "db-01" not in found
    assert "db-02" not in client_alice.get("/vms/?tag=a").content.decode()
    assert "No VM is like that." in client_alice.get("/vms/?tag=nothing").content.decode()
    assert client_alice.get("/vms/?tag=%00").status_code == 200
    program = Program(tokens.create(alice)[1])
    assert [vm["name"] for vm in program.get("/vms?tag=a").json()["items"]] == ["db-01"]


def test_what_is_asked_of_all_found_keeps_to_the_tag(client_alice: Client, host: Host) -> None:
    tagged = make_vm(host, "web-01")
    Tag.objects.create(vm=tagged, name="web")
    other = make_vm(host, "db-01")
    client_alice.post("/vms/bulk/pause/", {"all": "1", "tag": "web"})
    assert tagged.operations.exists() and not other.operations.exists()


def test_the_form_is_there_for_who_may(client_alice: Client, mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "editor", vm)
    form = f'action="/vms/{vm.pk}/tags/#tags-title"'
    assert form in client_alice.get(f"/vms/{vm.pk}/").content.decode()
    assert form not in sign_in(mallory).get(f"/vms/{vm.pk}/").content.decode()


BULK = "/vms/bulk/tags/"
SENT = {"confirmed": "1"}


@pytest.fixture
def several(host: Host) -> list[VirtualMachine]:
    """Three, of which the first has a tag."""
    found = [make_vm(host, f"web-{number}") for number in range(3)]
    Tag.objects.create(vm=found[0], name="old")
    return found


def tagged(vms: list[VirtualMachine]) -> list[list[str]]:
    return [names(vm) for vm in vms]


def test_several_are_asked_about_and_then_tagged_together(client_alice: Client, several: list[VirtualMachine]) -> None:
    pks = [vm.pk for vm in several]
    question = client_alice.post(BULK, {"vm": pks}).content.decode()
    assert "Tags of 3 VMs" in question and "web-1" in question
    assert '<span class="word">old</span> <span class="muted">1</span>' in question
    assert tagged(several) == [["old"], [], []]
    answer = client_alice.post(BULK, {**SENT, "vm": pks, "add": "shop, two words", "remove": "old"}, follow=True)
    assert tagged(several) == [["shop", "two words"]] * 3
    assert "The tags of 3 VMs are changed." in answer.content.decode() and answer.redirect_chain == [("/vms/", 302)]
    assert AuditEvent.objects.filter(action="tagged:vm").count() == 3


def test_an_open_list_gets_its_rows_and_the_message(client_alice: Client, several: list[VirtualMachine]) -> None:
    sent = {**SENT, "vm": [several[1].pk], "add": "shop", "rows": "1", "shown": [vm.pk for vm in several]}
    answer = client_alice.post(BULK, sent, headers=HX)
    text = answer.content.decode()
    assert answer.status_code == 200 and "The tags of 1 VM are changed." in text
    assert f'id="vm-{several[1].pk}"' in text and "?tag=shop" in text and f'id="vm-{several[0].pk}"' not in text


def test_all_that_the_filter_finds_are_tagged(client_alice: Client, several: list[VirtualMachine]) -> None:
    Tag.objects.create(vm=several[2], name="old")
    question = client_alice.post(BULK, {"all": "2", "tag": "old"}).content.decode()
    assert "Tags of 2 VMs" in question
    assert 'name="all" value="2"' in question and 'name="tag" value="old"' in question and 'name="vm"' not in question
    client_alice.post(BULK, {**SENT, "all": "2", "tag": "old", "add": "shop"})
    assert tagged(several) == [["old", "shop"], [], ["old", "shop"]]
    changed = client_alice.post(BULK, {**SENT, "all": "2", "q": "web", "add": "more"}).content.decode()
    assert "The list has changed: it has 3 VMs now." in changed and tagged(several)[1] == []


def test_more_than_the_most_are_not_begun(
    client_alice: Client, several: list[VirtualMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST_IDS", 2)
    said = client_alice.post(BULK, {"all": "3"}, headers=HX).content.decode()
    assert "These are 3 VMs; 2 at once is the most." in said and "<form" not in said
    client_alice.post(BULK, {**SENT, "all": "3", "add": "shop"})
    assert tagged(several) == [["old"], [], []]


def test_one_refusal_leaves_all_as_they_were_and_is_named(client_alice: Client, several: list[VirtualMachine]) -> None:
    Tag.objects.bulk_create([Tag(vm=several[1], name=f"tag-{number:02}") for number in range(20)])
    answer = client_alice.post(BULK, {**SENT, "vm": [vm.pk for vm in several], "add": "shop"}, headers=HX)
    text = answer.content.decode()
    assert answer.status_code == 422 and 'id="id_add-error">web-1: A VM has 20 tags at most.' in text
    assert 'value="shop"' in text, "what was entered is still there"
    assert not Tag.objects.filter(name="shop").exists()


def test_a_tag_that_gives_rights_and_a_vm_of_others_are_named(several: list[VirtualMachine], mallory: User) -> None:
    olga, pks = User.objects.create(username="olga"), [vm.pk for vm in several]
    for vm in several[:2]:
        grant(olga, "owner", vm)
    grant(olga, "viewer", several[2])
    role = Role.objects.create(name="mover")
    role.privileges.create(name="vm.migrate")
    Grant.objects.create(user=mallory, role=role, tag="move")
    client = sign_in(olga)
    refused = client.post(BULK, {**SENT, "vm": pks[:2], "add": "free, move"})
    assert refused.status_code == 422
    assert "With the tag “move” somebody would have rights on web-0" in refused.content.decode()
    refused = client.post(BULK, {**SENT, "vm": pks, "add": "free"})
    assert refused.status_code == 422 and "web-2: You may not do this." in refused.content.decode()
    assert tagged(several) == [["old"], [], []]
    hidden = make_vm(Host.objects.get(), "hidden")
    assert client.post(BULK, {**SENT, "vm": [pks[0], hidden.pk], "add": "free"}).status_code == 404
    assert tagged(several) == [["old"], [], []]


@pytest.mark.parametrize(
    ("send", "words"),
    [({}, "Name a tag to put on"), ({"add": " , "}, "Name a tag to put on"), ({"add": "x" * 51}, "A tag has 1 to 50")],
)
def test_nothing_entered_changes_nothing(
    client_alice: Client, several: list[VirtualMachine], send: dict[str, str], words: str
) -> None:
    answer = client_alice.post(BULK, {**SENT, "vm": [several[0].pk], **send})
    assert answer.status_code == 422 and f'id="id_add-error">{words}' in answer.content.decode()
    assert "No VM is ticked." in client_alice.post(BULK, SENT).content.decode()
    assert names(several[0]) == ["old"]
