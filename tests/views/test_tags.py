"""Tags on the pages: changed on a VM's own, refused where they would give rights, clicked in the list."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.api.conftest import Program
from tests.conftest import make_vm, sign_in
from tests.grants import grant
from vms.models import Grant, Host, Role, Tag, User, VirtualMachine
from vms.services import tokens

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
