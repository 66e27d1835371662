"""What grants reach: the same answer from both ends, on both databases, for every way of naming a VM."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from tests.conftest import make_vm
from tests.data.names import STRANGE_NAMES
from tests.grants import grant
from vms.kinds.privileges import PRIVILEGES, ROLES, TABLE, role_privileges
from vms.models import Console, Grant, Host, Role, RolePrivilege, Tag, User, VirtualMachine
from vms.permissions import held, held_each, holders, may, seen_hosts, standing, visible_hosts, visible_vms
from vms.services.roles import keep_fixed

NAMES = ("web-01", "web-02", "WEB-01", "wEb-01", "web", "web_01", "w%b-01", "db-01", "éweb", "web-01 ")
ONS: tuple[tuple[dict[str, Any], set[str]], ...] = (
    ({"everything": True}, set(NAMES)),
    ({"name": "web-01"}, {"web-01"}),
    ({"name": "WEB-01"}, {"WEB-01"}),
    ({"name": "web"}, {"web"}),
    ({"prefix": "web"}, {"web-01", "web-02", "web", "web_01", "web-01 "}),
    ({"prefix": "web-"}, {"web-01", "web-02", "web-01 "}),
    ({"prefix": "W"}, {"WEB-01"}),
    ({"prefix": "w%"}, {"w%b-01"}),
    ({"prefix": "w_b"}, set()),
    ({"prefix": "web_"}, {"web_01"}),
    ({"prefix": "*"}, set()),
    ({"prefix": "e"}, set()),
    ({"prefix": "é"}, {"éweb"}),
    ({"prefix": "web-01-and-more"}, set()),
    ({"tag": "red"}, {"web-01", "db-01"}),
    ({"tag": "RED"}, {"web-02"}),
    ({"tag": "blue"}, set()),
)


@pytest.fixture
def park(host: Host) -> dict[str, VirtualMachine]:
    """A VM of each name; two are tagged red, one RED."""
    vms = {name: make_vm(host, name) for name in NAMES}
    Tag.objects.create(vm=vms["web-01"], name="red")
    Tag.objects.create(vm=vms["db-01"], name="red")
    Tag.objects.create(vm=vms["web-02"], name="RED")
    return vms


@pytest.fixture
def other(db: None) -> Host:
    return Host.objects.create(name="host-b", node="node-a", libvirt_uuid=uuid.UUID(int=0xB))


def answers(user: User, vms: dict[str, VirtualMachine], privilege: str) -> list[set[str]]:
    """The names of the VMs on which the user holds it, as each of the ways of asking answers."""
    consoles = [Console.objects.create(user=user, vm=vm).pk for vm in vms.values()]
    allowed = Console.objects.filter(holders(privilege), pk__in=consoles).annotate(of=F("vm__name"))
    return [
        set(visible_vms(user, privilege).values_list("name", flat=True)),
        {name for name, vm in vms.items() if may(user, privilege, vm)},
        {name for name, vm in vms.items() if held_each(user, {privilege}, [vm.pk for vm in vms.values()])[vm.pk]},
        {name for console in allowed for name in [console.of]},
    ]


@pytest.mark.parametrize(("on", "expected"), ONS)
def test_it_reaches_those_and_no_others(
    mallory: User, park: dict[str, VirtualMachine], on: dict[str, Any], expected: set[str]
) -> None:
    grant(mallory, "operator", **on)
    for privilege in ("vm.view", "vm.power"):
        assert answers(mallory, park, privilege) == [expected] * 4
    assert answers(mallory, park, "vm.device") == [set()] * 4


def test_a_grant_on_one_vm_reaches_that_one(mallory: User, park: dict[str, VirtualMachine]) -> None:
    grant(mallory, "viewer", park["db-01"])
    assert answers(mallory, park, "vm.view") == [{"db-01"}] * 4


def test_a_grant_on_a_host_reaches_what_is_on_it_now(
    mallory: User, park: dict[str, VirtualMachine], other: Host
) -> None:
    there = make_vm(other, "elsewhere")
    grant(mallory, "operator", other)
    assert answers(mallory, {**park, "elsewhere": there}, "vm.power") == [{"elsewhere"}] * 4
    there.placement.host_id = park["web"].placement.host_id  # type: ignore[union-attr]
    there.placement.save()  # type: ignore[union-attr]
    assert answers(mallory, {**park, "elsewhere": there}, "vm.power") == [set()] * 4


def test_rights_of_several_grants_add_up(mallory: User, park: dict[str, VirtualMachine]) -> None:
    grant(mallory, "viewer", prefix="web")
    grant(mallory, "operator", park["db-01"])
    grant(mallory, "editor", tag="red")
    assert held(mallory, park["db-01"]) == {
        name for name in role_privileges("editor") if name.startswith(("vm.", "template."))
    }
    assert held(mallory, park["web-02"]) == {"vm.view"}
    assert held(mallory, park["éweb"]) == frozenset()


def test_a_group_has_it_for_whoever_is_in_it_now(mallory: User, alice: User, park: dict[str, VirtualMachine]) -> None:
    group = Group.objects.create(name="operators")
    grant(group, "operator", name="web")
    assert answers(mallory, park, "vm.power") == [set()] * 4
    group.user_set.add(mallory)
    assert answers(mallory, park, "vm.power") == [{"web"}] * 4
    group.user_set.remove(mallory)
    assert answers(mallory, park, "vm.power") == [set()] * 4


def test_it_ends_at_its_time(mallory: User, park: dict[str, VirtualMachine]) -> None:
    given = grant(mallory, "operator", everything=True, ends_at=timezone.now() + timedelta(hours=1))
    assert answers(mallory, park, "vm.power") == [set(NAMES)] * 4
    assert visible_hosts(mallory).exists()
    Grant.objects.filter(pk=given.pk).update(ends_at=timezone.now() - timedelta(seconds=1))
    assert answers(mallory, park, "vm.power") == [set()] * 4
    assert not visible_hosts(mallory).exists()


def test_who_is_switched_off_has_nothing(mallory: User, park: dict[str, VirtualMachine]) -> None:
    grant(mallory, "owner", everything=True)
    User.objects.filter(pk=mallory.pk).update(is_active=False)
    mallory.refresh_from_db()
    assert answers(mallory, park, "vm.view") == [set()] * 4


@pytest.mark.parametrize("role", ROLES)
def test_nothing_that_equals_root_comes_from_a_grant(mallory: User, host: Host, vm: VirtualMachine, role: str) -> None:
    grant(mallory, role, everything=True)
    # Not even where the rows say so.
    for privilege in TABLE:
        RolePrivilege.objects.get_or_create(role=Role.objects.get(name=role), name=privilege.name)
    console = Console.objects.create(user=mallory, vm=vm)
    for privilege in TABLE:
        if privilege.root:
            assert not may(mallory, privilege.name, vm)
            assert not may(mallory, privilege.name, host)
            assert not may(mallory, privilege.name)
            assert not Console.objects.filter(holders(privilege.name), pk=console.pk).exists()
            assert held_each(mallory, {privilege.name}, [vm.pk]) == {vm.pk: frozenset()}


def test_rights_on_vms_are_no_rights_on_their_host(mallory: User, host: Host, vm: VirtualMachine) -> None:
    Tag.objects.create(vm=vm, name="red")
    ons: list[dict[str, Any]] = [{"on": vm}, {"tag": "red"}, {"name": vm.name}, {"prefix": "web"}]
    for on in ons:
        given = grant(mallory, "owner", **on)
        assert not visible_hosts(mallory).exists()
        assert seen_hosts(mallory, [host]) == frozenset()
        assert held(mallory, host) == frozenset()
        assert {name for name in held(mallory, vm) if not name.startswith(("vm.", "template."))} == set()
        given.delete()
    grant(mallory, "viewer", host)
    assert list(visible_hosts(mallory)) == [host]
    assert held(mallory, host) == {"host.view"}
    assert held(mallory, vm) == {"vm.view", "host.view"}


def test_who_makes_vms_somewhere_sees_none_of_the_others(mallory: User, host: Host, vm: VirtualMachine) -> None:
    grant(mallory, "creator", host)
    assert held(mallory, host) == {"host.use"}
    assert held(mallory, vm) == {"host.use", "template.use"}
    assert not visible_vms(mallory).exists()


def test_a_grant_on_something_is_none_on_the_site(mallory: User) -> None:
    grant(mallory, "owner", everything=True)
    assert held(mallory) == frozenset()


def test_a_strange_name_is_met_as_it_is_and_by_its_beginning(mallory: User, host: Host) -> None:
    vms = {name: make_vm(host, name) for name in STRANGE_NAMES}
    for name in STRANGE_NAMES:
        for begins, text in ((False, name), (True, name), (True, name[:1])):
            given = grant(mallory, "viewer", **({"prefix": text} if begins else {"name": text}))  # type: ignore[arg-type]
            expected = {other for other in vms if (other.startswith(text) if begins else other == text)}
            assert set(visible_vms(mallory).values_list("name", flat=True)) == expected
            assert may(mallory, "vm.view", vms[name])
            given.delete()


@pytest.mark.parametrize(
    "broken",
    [{}, {"everything": True, "tag": "red"}, {"name": "a", "prefix": "a"}, {"tag": ""}],
    ids=["on nothing", "on everything and a tag", "on a name twice", "on no tag"],
)
def test_the_database_refuses_a_grant_that_says_two_things_or_none(mallory: User, broken: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        grant(mallory, "viewer", **broken)


def test_the_database_refuses_a_grant_to_nobody_or_to_two(mallory: User, vm: VirtualMachine) -> None:
    role = Role.objects.get(name="viewer")
    for whom in ({}, {"user": mallory, "group": Group.objects.create(name="two")}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Grant.objects.create(role=role, vm=vm, **whom)


def test_the_fixed_roles_are_what_the_table_says(db: None) -> None:
    operator = Role.objects.get(name="operator")
    operator.privileges.filter(name="vm.power").delete()
    RolePrivilege.objects.create(role=operator, name="vm.delete")
    keep_fixed()
    for name in ROLES:
        there = RolePrivilege.objects.filter(role__name=name).values_list("name", flat=True)
        assert sorted(there) == sorted(role_privileges(name))
        assert not any(PRIVILEGES[privilege].root for privilege in there)
    assert role_privileges("viewer") < role_privileges("operator") < role_privileges("editor")
    assert role_privileges("editor") < role_privileges("owner") < set(PRIVILEGES)


def test_that_rights_changed_is_seen(mallory: User, alice: User, vm: VirtualMachine) -> None:
    group = Group.objects.create(name="viewers")
    seen = [standing([mallory, alice])[mallory.pk]]

    def changes(change: Callable[[], Any]) -> bool:
        change()
        seen.append(standing([mallory, alice])[mallory.pk])
        return seen[-1] != seen[-2]

    assert changes(lambda: grant(mallory, "viewer", vm))
    assert not changes(lambda: grant(group, "viewer", vm))
    assert changes(lambda: group.user_set.add(mallory))
    assert changes(lambda: Grant.objects.filter(user=mallory).update(ends_at=timezone.now()))
    assert changes(lambda: group.user_set.remove(mallory))
    assert seen[-1] == frozenset() == seen[0]
    assert standing([mallory, alice])[alice.pk] == frozenset()


@pytest.mark.parametrize(
    ("ask", "queries"),
    [
        (lambda user, vm: held(user, vm), 1),
        (lambda user, vm: may(user, "vm.power", vm), 1),
        (lambda user, vm: held_each(user, {"vm.power", "vm.force"}, [vm.pk]), 2),
        (lambda user, vm: list(visible_vms(user)), 2),
        (lambda user, vm: list(Console.objects.filter(holders("vm.console"))), 1),
        (lambda user, vm: standing([user]), 2),
    ],
    ids=["held", "may", "each", "visible", "holders", "standing"],
)
def test_a_question_is_a_query(
    mallory: User, vm: VirtualMachine, ask: Callable[[User, VirtualMachine], Any], queries: int,
    django_assert_num_queries: Any,
) -> None:  # fmt: skip
    grant(mallory, "operator", tag="red")
    grant(mallory, "viewer", prefix="web")
    with django_assert_num_queries(queries):
        ask(mallory, vm)
