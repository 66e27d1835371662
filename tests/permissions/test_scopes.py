"""What a token can do: what its user holds, as far as a scope lets it through, by every way of asking."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import make_vm
from tests.grants import grant
from tests.permissions.test_ground import make_pool
from vms.kinds.privileges import PRIVILEGES, role_privileges
from vms.kinds.scopes import ALL, BUNDLES, SCOPES, covering, let_through
from vms.models import ApiToken, Console, Happening, Host, Operation, Role, RolePrivilege, User, VirtualMachine, Volume
from vms.permissions import (
    Actor,
    held,
    held_each,
    holders,
    is_administrator,
    may,
    may_grant,
    seen_hosts,
    visible_happenings,
    visible_hosts,
    visible_names,
    visible_operations,
    visible_pools,
    visible_vms,
    visible_volumes,
)

pytestmark = pytest.mark.django_db


def token_of(user: User, *scopes: str) -> Actor:
    """The user by a token with these scopes, as a row may have them."""
    token = ApiToken.objects.create(
        user=user, prefix="kvmweb_x", token_hash=str(ApiToken.objects.count()), scopes=f" {' '.join(scopes)} ",
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    return Actor(user, token=token)


def of_vm(who: Actor, vm: VirtualMachine, names: Iterable[str] = PRIVILEGES) -> list[frozenset[str]]:
    """Which of these privileges are his on the VM, by each way of asking."""
    console = Console.objects.create(user=who.user, token=who.token, vm=vm)
    row, asked = Console.objects.filter(pk=console.pk), frozenset(names)
    return [
        held(who, vm) & asked,
        frozenset(name for name in asked if may(who, name, vm)),
        held_each(who, asked, [vm.pk])[vm.pk],
        frozenset(name for name in asked if visible_vms(who, name).filter(pk=vm.pk).exists()),
        frozenset(name for name in asked if row.filter(holders(name)).exists()),
    ]


def test_every_scope_lets_every_privilege_through_or_not_from_both_ends(
    alice: User, mallory: User, vm: VirtualMachine
) -> None:
    """The whole table: each scope by each privilege, for who holds all and for who holds what an editor does."""
    grant(mallory, "editor", everything=True)
    for user, holds in ((alice, frozenset(PRIVILEGES)), (mallory, held(mallory, vm))):
        actors = {scope: token_of(user, scope) for scope in SCOPES}
        for scope, who in actors.items():
            expected = holds & let_through([scope])
            assert held(who, vm) == expected, scope
            of_vms = {name for name in PRIVILEGES if name.startswith("vm.")}
            assert held_each(who, of_vms, [vm.pk]) == {vm.pk: expected & of_vms}, scope
            Console.objects.create(user=user, token=who.token, vm=vm, device=scope)
        for privilege in holds:
            rows = Console.objects.filter(holders(privilege), user=user)
            assert set(rows.values_list("device", flat=True)) == {
                scope for scope in SCOPES if privilege in let_through([scope])
            }, privilege


@pytest.mark.parametrize("scope", [*BUNDLES, "vm.view", "vm.power", "vm.define", "host.view", "host.admin"])
def test_every_way_of_asking_says_what_both_let_through(
    scope: str, alice: User, mallory: User, host: Host, vm: VirtualMachine
) -> None:
    names = ("vm.view", "vm.power", "vm.device", "vm.access", "vm.define", "vm.agent.exec")
    by_token = token_of(alice, scope)
    expected = let_through([scope])
    assert of_vm(by_token, vm, names) == [expected & set(names)] * 5
    assert held(by_token, host) == held(by_token) == expected
    assert visible_hosts(by_token).exists() == ("host.view" in expected) == bool(seen_hosts(by_token, [host]))
    by_token = token_of(mallory, scope)
    assert of_vm(by_token, vm, names) == [frozenset()] * 5
    grant(mallory, "editor", everything=True)
    there = role_privileges("editor") & expected
    assert of_vm(by_token, vm, names) == [there & set(names)] * 5
    assert held(by_token, host) == {name for name in there if name.startswith("host.")}
    assert held(by_token) == frozenset()


@pytest.mark.parametrize("privilege", PRIVILEGES)
def test_a_root_equal_right_needs_its_own_name_and_an_administrator(
    privilege: str, alice: User, mallory: User, vm: VirtualMachine
) -> None:
    root = PRIVILEGES[privilege].root
    assert (privilege in let_through(BUNDLES)) is not root
    assert let_through([privilege]) == {privilege}
    assert set(covering(privilege)) == {name for name in SCOPES if privilege in let_through([name])}
    assert may(token_of(alice, *BUNDLES), privilege, vm) is not root
    assert may(token_of(alice, privilege), privilege, vm)
    if root:
        grant(mallory, "owner", everything=True)
        RolePrivilege.objects.create(role=Role.objects.get(name="owner"), name=privilege)
        assert not may(token_of(mallory, privilege), privilege, vm)
        by_token = token_of(alice, privilege)
        User.objects.filter(pk=alice.pk).update(is_administrator=False)
        alice.refresh_from_db()
        assert not may(by_token, privilege, vm)


def test_no_scope_and_a_scope_that_is_none_let_nothing_through(alice: User, vm: VirtualMachine) -> None:
    for scopes in ((), ("root",), ("vm",), ("vm.view_",)):
        assert of_vm(token_of(alice, *scopes), vm, ("vm.view", "vm.agent.view")) == [frozenset()] * 5


def test_a_name_that_begins_like_another_is_another(alice: User, vm: VirtualMachine) -> None:
    names = ("vm.view", "vm.agent.view")
    assert of_vm(token_of(alice, "vm.agent.view"), vm, names) == [{"vm.agent.view"}] * 5
    assert of_vm(token_of(alice, "vm.agent.view", "vm.view"), vm, names) == [{"vm.agent.view", "vm.view"}] * 5


def test_what_an_administrators_token_sees_is_in_its_scopes(alice: User, host: Host, vm: VirtualMachine) -> None:
    fields: dict[str, Any] = {"actor_name": "x", "target_name": "x", "host": host, "node": "n", "queue": "quick"}
    of_vm = Operation.objects.create(kind="vm.start", target_kind="vm", target_id=vm.pk, vm=vm, **fields)
    of_host = Operation.objects.create(kind="host.test", target_kind="host", target_id=host.pk, **fields)
    Happening.objects.create(vm=vm, host=host, code="started")
    Happening.objects.create(host=host, code="heard")
    names = [f"vm:{vm.pk}", f"host:{host.pk}", f"op:{of_vm.pk}", f"op:{of_host.pk}"]
    seen = {
        ("vm.view",): ({of_vm}, 1, {f"vm:{vm.pk}", f"op:{of_vm.pk}", "vms:*"}),
        ("host.view",): ({of_host}, 1, {f"host:{host.pk}", f"op:{of_host.pk}"}),
        ("vm.power",): (set(), 0, set()),
        ("viewer",): ({of_vm, of_host}, 2, set(names)),
    }
    for scopes, (operations, happenings, told) in seen.items():
        who = token_of(alice, *scopes)
        assert set(visible_operations(who)) == operations
        assert visible_happenings(who).count() == happenings
        assert set(visible_names(who, names)) == told


def test_no_token_is_an_administrator_nor_gives_rights(alice: User, vm: VirtualMachine) -> None:
    who = token_of(alice, *SCOPES)
    assert held(who, vm) == set(PRIVILEGES)
    assert is_administrator(Actor(alice)) and not is_administrator(who)
    assert is_administrator(who, "vm.view") and not is_administrator(token_of(alice, "vm.view"), "vm.view", "host.view")
    assert not may_grant(who, Role.objects.get(name="viewer"), vm)


def test_what_is_ones_own_in_a_pool_needs_a_token_that_is_meant_for_it(mallory: User, alice: User, host: Host) -> None:
    pool = make_pool(host)
    Volume.objects.create(storage=pool.storage, name="a.qcow2", owner=mallory)
    assert visible_pools(token_of(alice, "pool.use")).exists() and not visible_pools(token_of(alice, "viewer")).exists()
    reader, owner = token_of(mallory, "viewer"), token_of(mallory, ALL)
    assert visible_volumes(Actor(mallory), "delete").exists() and visible_volumes(owner, "delete").exists()
    assert visible_volumes(reader, "see").exists() and not visible_volumes(reader, "delete").exists()


def test_it_costs_a_token_no_query_more(alice: User, mallory: User, host: Host, django_assert_num_queries: Any) -> None:
    vm = make_vm(host, "counted")
    grant(mallory, "operator", everything=True)
    for who, queries in ((token_of(alice, ALL), 0), (token_of(mallory, ALL), 1)):
        with django_assert_num_queries(queries):
            held(who, vm)
