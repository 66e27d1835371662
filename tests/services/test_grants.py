"""Rights are given by who has them, on what he sees, and told to the audit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.http import Http404
from django.utils import timezone

from tests.conftest import make_vm
from tests.grants import grant
from vms.errors import BadFields, BadParameters, NotAllowed
from vms.models import AuditEvent, Grant, Host, RolePrivilege, Tag, User, VirtualMachine
from vms.permissions import Actor, held, may
from vms.services import access, grants, tokens
from vms.services.grants import Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


@pytest.fixture
def owner(carol: User, vm: VirtualMachine) -> Actor:
    """carol owns web-01."""
    grant(carol, "owner", vm)
    return Actor(carol)


@pytest.mark.parametrize(
    "on", [{"everything": True}, {"host": 1}, {"vm": 1}, {"tag": "red"}, {"name": "web-01"}, {"name": "web-*"}]
)
def test_an_administrator_gives_on_anything(
    on: dict[str, Any], actor: Actor, mallory: User, vm: VirtualMachine, host: Host
) -> None:
    Tag.objects.create(vm=vm, name="red")
    on = {name: {"host": host.pk, "vm": vm.pk}.get(name, value) for name, value in on.items()}
    given = grants.give(actor, Wish(role="operator", user="mallory", **on))
    assert may(mallory, "vm.power", vm)
    event = AuditEvent.objects.get(action="gave:grant")
    assert (event.user_name, event.facts["to"], event.facts["role"]) == ("alice", "mallory", "operator")
    assert given.granted_by == actor.user
    grants.take_away(actor, given)
    assert not may(mallory, "vm.power", vm)
    assert AuditEvent.objects.filter(action="took:grant", facts__grant=given.pk).exists()


def test_a_group_and_an_end(actor: Actor, mallory: User, vm: VirtualMachine) -> None:
    Group.objects.create(name="night shift").user_set.add(mallory)
    friday = timezone.now() + timedelta(days=3)
    given = grants.give(actor, Wish(role="viewer", group="night shift", vm=vm.pk, ends_at=friday))
    assert may(mallory, "vm.view", vm)
    later = friday + timedelta(days=7)
    assert grants.give(actor, Wish(role="viewer", group="night shift", vm=vm.pk, ends_at=later)) == given
    assert Grant.objects.get().ends_at == later
    with pytest.raises(BadFields):
        grants.give(actor, Wish(role="viewer", group="night shift", vm=vm.pk, ends_at=timezone.now()))


def test_an_owner_gives_what_he_has_on_what_he_owns(owner: Actor, mallory: User, vm: VirtualMachine) -> None:
    for role in ("viewer", "operator", "editor", "owner"):
        grants.take_away(owner, grants.give(owner, Wish(role=role, user="mallory", vm=vm.pk)))
    assert held(mallory, vm) == frozenset()


def test_an_owner_gives_nothing_else(owner: Actor, mallory: User, vm: VirtualMachine, host: Host) -> None:
    neighbour = make_vm(host, "neighbour")
    for wish in (
        Wish(role="viewer", user="mallory", everything=True),
        Wish(role="viewer", user="mallory", tag="red"),
        Wish(role="viewer", user="mallory", name="web-*"),
    ):
        with pytest.raises(NotAllowed):
            grants.give(owner, wish)
    for unseen in (
        Wish(role="viewer", user="mallory", vm=neighbour.pk),
        Wish(role="viewer", user="mallory", host=host.pk),
        Wish(role="viewer", user="mallory", vm=10**9),
    ):
        with pytest.raises(Http404):
            grants.give(owner, unseen)
    grant(owner.user, "owner", host)
    with pytest.raises(NotAllowed):
        grants.give(owner, Wish(role="viewer", user="mallory", host=host.pk))
    # On what stands there he is an owner now.
    grants.give(owner, Wish(role="viewer", user="mallory", vm=neighbour.pk))
    with pytest.raises(BadFields):
        grants.give(owner, Wish(role="creator", user="mallory", vm=vm.pk))
    assert AuditEvent.objects.filter(action="gave:grant").count() == 1


def test_nobody_gives_more_than_he_has(carol: User, mallory: User, vm: VirtualMachine) -> None:
    given = grant(carol, "editor", vm)
    wish = Wish(role="viewer", user="mallory", vm=vm.pk)
    with pytest.raises(NotAllowed):
        grants.give(Actor(carol), wish)
    RolePrivilege.objects.create(role=given.role, name="vm.access")
    for role, allowed in (("viewer", True), ("editor", True), ("owner", False)):
        if allowed:
            grants.give(Actor(carol), Wish(role=role, user="mallory", vm=vm.pk))
        else:
            with pytest.raises(NotAllowed):
                grants.give(Actor(carol), Wish(role=role, user="mallory", vm=vm.pk))
    above = grant(mallory, "owner", vm)
    with pytest.raises(NotAllowed):
        grants.take_away(Actor(carol), above)


def test_a_token_gives_nothing(alice: User, mallory: User, vm: VirtualMachine) -> None:
    token, _ = tokens.create(alice)
    program = Actor(alice, token=token)
    with pytest.raises(NotAllowed):
        grants.give(program, Wish(role="viewer", user="mallory", vm=vm.pk))
    with pytest.raises(NotAllowed):
        grants.take_away(program, grant(mallory, "viewer", vm))
    assert Grant.objects.count() == 1


@pytest.mark.parametrize(
    "wish",
    [
        {"role": "administrator", "user": "mallory", "everything": True},
        {"role": "nonsense", "user": "mallory", "everything": True},
        {"role": "creator", "user": "mallory", "tag": "red"},
        {"role": "viewer", "user": "Mallory", "everything": True},
        {"role": "viewer", "group": "nobody", "everything": True},
        {"role": "viewer", "everything": True},
        {"role": "viewer", "user": "mallory", "group": "g", "everything": True},
        {"role": "viewer", "user": "mallory"},
        {"role": "viewer", "user": "mallory", "name": "*"},
        {"role": "viewer", "user": "mallory", "name": "web", "tag": "red"},
    ],
)
def test_what_does_not_fit_is_refused(wish: dict[str, Any], actor: Actor, mallory: User) -> None:
    with pytest.raises(BadFields):
        grants.give(actor, Wish(**wish))
    assert not Grant.objects.exists()


def test_who_may_give_rights_sees_through_what_others_have_them(
    owner: Actor, mallory: User, vm: VirtualMachine, host: Host
) -> None:
    Tag.objects.create(vm=vm, name="red")
    there = [grant(mallory, "viewer", **on) for on in ({"on": host}, {"tag": "red"}, {"prefix": "web"})]
    grant(mallory, "viewer", make_vm(host, "neighbour"))
    own = Grant.objects.get(user=owner.user)
    assert list(grants.visible_grants(owner, vm)) == sorted([own, *there], key=lambda row: row.pk)
    assert grants.get_grant(owner, own.pk) == own
    assert grants.get_grant(owner, there[0].pk) is None
    with pytest.raises(NotAllowed):
        grants.visible_grants(owner)
    with pytest.raises(NotAllowed):
        grants.visible_grants(Actor(mallory), vm)


def test_why_somebody_may(owner: Actor, actor: Actor, mallory: User, vm: VirtualMachine, host: Host) -> None:
    tag, by_tag = Tag.objects.create(vm=vm, name="red"), grant(mallory, "operator", tag="red")
    grant(mallory, "viewer", vm)
    of_vm = f"vm:{vm.pk}"
    reason = access.why(owner, "mallory", "vm.start", of_vm)
    assert (reason.allowed, reason.grants, reason.lacking) == (True, [by_tag], [])
    assert len(access.why(actor, "mallory", "vm.view", of_vm).grants) == 2
    both = access.why(actor, "mallory", "vm.boot-cd", of_vm)
    assert (both.allowed, both.grants, both.lacking) == (False, [by_tag], ["vm.boot"])
    assert access.why(actor, "mallory", "vm.define", of_vm).grants == []
    assert access.why(actor, "alice", "vm.define", of_vm).administrator
    assert access.why(actor, "mallory", "host.view", f"host:{host.pk}").lacking == ["host.view"]
    tag.delete()
    assert not access.why(actor, "mallory", "vm.start", of_vm).allowed
    User.objects.filter(pk=mallory.pk).update(is_active=False)
    off = access.why(actor, "mallory", "vm.view", of_vm)
    assert (off.allowed, off.switched_off) == (False, True)


def test_why_is_told_to_who_may_know(owner: Actor, mallory: User, vm: VirtualMachine, host: Host) -> None:
    neighbour = make_vm(host, "neighbour")
    grant(mallory, "viewer", vm)
    assert access.why(Actor(mallory), "mallory", "vm.view", f"vm:{vm.pk}").allowed
    for about, verb, thing in (
        ("carol", "vm.view", f"vm:{vm.pk}"),
        ("mallory", "vm.view", f"vm:{neighbour.pk}"),
        ("mallory", "vm.view", f"host:{host.pk}"),
        ("nobody", "vm.view", f"vm:{vm.pk}"),
        ("mallory", "vm.view", "vm:x"),
        ("mallory", "vm.view", "op:1"),
    ):
        with pytest.raises(Http404):
            access.why(Actor(mallory), about, verb, thing)
    with pytest.raises(BadParameters):
        access.why(owner, "mallory", "vm.fly", f"vm:{vm.pk}")
