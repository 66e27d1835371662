"""Tags steer rights, so they come only where they give nobody a right that the tagger could not give."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from tests.conftest import make_vm
from tests.grants import grant
from vms.errors import BadFields, GivesRights, NotAllowed
from vms.models import AuditEvent, Grant, Host, Role, RolePrivilege, Tag, User, VirtualMachine
from vms.permissions import Actor
from vms.services import tags, tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


@pytest.fixture
def labeller(carol: User, vm: VirtualMachine) -> Actor:
    """May name and tag web-01 and view it, and nothing else."""
    role = Role.objects.create(name="labeller")
    RolePrivilege.objects.create(role=role, name="vm.view")
    RolePrivilege.objects.create(role=role, name="vm.label")
    Grant.objects.create(user=carol, role=role, vm=vm)
    return Actor(carol)


def words(vm: VirtualMachine) -> list[str]:
    return sorted(Tag.objects.filter(vm=vm).values_list("name", flat=True))


def test_tags_come_and_go_and_the_audit_says_so(actor: Actor, vm: VirtualMachine, host: Host) -> None:
    other = make_vm(host, "other")
    tags.change(actor, [vm, other], add=["red", "blue"])
    tags.change(actor, [vm], remove=["red", "green"])
    assert (words(vm), words(other)) == (["blue"], ["blue", "red"])
    tags.replace(actor, vm, ["e\u0301te\u0301"])
    assert words(vm) == ["\u00e9t\u00e9"]
    tags.replace(actor, vm, ["\u00e9t\u00e9"])
    events = AuditEvent.objects.filter(action="tagged:vm", target=f"vm:{vm.pk}").order_by("pk")
    assert [(event.facts["before"], event.facts["after"]) for event in events] == [
        ([], ["blue", "red"]), (["blue", "red"], ["blue"]), (["blue"], ["\u00e9t\u00e9"]),
    ]  # fmt: skip
    assert tags.counts(actor) == [("blue", 1), ("red", 1), ("\u00e9t\u00e9", 1)]


@pytest.mark.parametrize("word", ["", " ", " red", "red ", "a,b", "two\nlines", "x" * 51, "\x00", "bell\x07"])
def test_what_is_no_tag_is_refused(word: str, actor: Actor, vm: VirtualMachine) -> None:
    with pytest.raises(BadFields):
        tags.change(actor, [vm], add=["red", word])
    assert words(vm) == []


def test_there_is_an_end_to_tags(actor: Actor, vm: VirtualMachine) -> None:
    with pytest.raises(BadFields):
        tags.replace(actor, vm, [f"tag-{number}" for number in range(21)])


@pytest.mark.parametrize("role", ["viewer", "operator", "editor"])
def test_it_needs_its_right(role: str, carol: User, vm: VirtualMachine) -> None:
    grant(carol, role, vm)
    Tag.objects.create(vm=vm, name="red")
    for change in ({"add": ["blue"]}, {"remove": ["red"]}):
        with pytest.raises(NotAllowed):
            tags.change(Actor(carol), [vm], **change)
    assert words(vm) == ["red"]


def test_all_get_it_or_none(carol: User, vm: VirtualMachine, host: Host) -> None:
    grant(carol, "owner", vm)
    seen = make_vm(host, "seen")
    grant(carol, "viewer", seen)
    with pytest.raises(NotAllowed):
        tags.change(Actor(carol), [vm, seen], add=["red"])
    assert words(vm) == words(seen) == []
    assert not AuditEvent.objects.filter(action="tagged:vm").exists()


@pytest.mark.parametrize("to_group", [False, True])
@pytest.mark.parametrize("to_himself", [False, True])
def test_a_tag_that_would_give_a_right_is_refused(
    to_group: bool, to_himself: bool, labeller: Actor, mallory: User, vm: VirtualMachine
) -> None:
    whom = labeller.user if to_himself else mallory
    group = Group.objects.create(name="operators")
    group.user_set.add(whom)
    grant(group if to_group else whom, "operator", tag="red")
    with pytest.raises(GivesRights):
        tags.change(labeller, [vm], add=["blue", "red"])
    assert words(vm) == []
    tags.change(labeller, [vm], add=["blue"])


def test_one_that_gives_nothing_new_is_not(labeller: Actor, mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "operator", tag="red")
    grant(mallory, "owner", vm)
    tags.change(labeller, [vm], add=["red"])
    assert words(vm) == ["red"]


def test_an_owner_may_give_by_a_tag_what_he_may_give_by_hand(carol: User, mallory: User, vm: VirtualMachine) -> None:
    grant(carol, "owner", vm)
    grant(mallory, "owner", tag="red")
    tags.change(Actor(carol), [vm], add=["red"])
    migrator = Role.objects.create(name="migrator")
    RolePrivilege.objects.create(role=migrator, name="vm.migrate")
    Grant.objects.create(user=mallory, role=migrator, tag="blue")
    with pytest.raises(GivesRights):
        tags.change(Actor(carol), [vm], add=["blue"])


def test_a_token_gives_no_rights_by_a_tag_either(alice: User, mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "viewer", tag="red")
    program = Actor(alice, token=tokens.create(alice)[0])
    tags.change(program, [vm], add=["blue"])
    with pytest.raises(GivesRights):
        tags.change(program, [vm], add=["red"])


def test_an_end_that_has_come_gives_nothing(labeller: Actor, mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "operator", tag="red", ends_at=timezone.now())
    tags.change(labeller, [vm], add=["red"])
    assert words(vm) == ["red"]
