"""Which VMs a list shows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.conftest import make_vm
from vms.errors import BadParameters
from vms.models import Host, Placement, Tag, User, VirtualMachine
from vms.services.lists import STATES, find_vms

pytestmark = pytest.mark.django_db


def names(user: User, **asked: str) -> list[str]:
    return [vm.name for vm in find_vms(user, **asked)]  # type: ignore[arg-type]


def test_it_finds_vms_in_which_every_word_stands(host: Host, alice: User) -> None:
    make_vm(host, "web-01", search="web-01 frontend 10.0.0.12")
    make_vm(host, "db-01", search="db-01 10.0.0.20")
    assert names(alice, q="10.0") == ["db-01", "web-01"]
    assert names(alice, q="FRONT 10.0.0.12") == ["web-01"]
    assert names(alice, q="front nothing") == []


def test_it_finds_by_tag_in_any_case(host: Host, alice: User) -> None:
    Tag.objects.create(vm=make_vm(host, "web-01"), name="Prod")
    make_vm(host, "web-02")
    assert names(alice, q="prod WEB") == ["web-01"]


@pytest.mark.parametrize("sign", ["%", "_", "\\", "*", "?", "["])
def test_a_pattern_sign_is_only_itself(host: Host, alice: User, sign: str) -> None:
    make_vm(host, "plain")
    make_vm(host, f"odd{sign}name")
    assert names(alice, q=sign) == [f"odd{sign}name"]


def test_it_filters_by_state_and_host(host: Host, alice: User) -> None:
    other = Host.objects.create(name="host-b", node="node-b")
    make_vm(host, "on-a")
    on_b = make_vm(other, "on-b", state="paused")
    assert names(alice, state="paused") == ["on-b"]
    assert list(find_vms(alice, host=other.pk)) == [on_b]


def test_what_is_gone_is_listed_as_gone_for_thirty_days(host: Host, alice: User) -> None:
    make_vm(host, "here")
    make_vm(host, "left", present=False, gone_at=timezone.now() - timedelta(days=29))
    make_vm(host, "long-gone", present=False, gone_at=timezone.now() - timedelta(days=31))
    assert names(alice) == ["here", "left"]
    assert names(alice, state="gone") == ["left"]
    assert names(alice, state="running") == ["here"]


def test_it_sorts_both_ways_without_case_and_puts_the_unknown_last(host: Host, alice: User) -> None:
    for name, memory in (("b", 1), ("A", 3), ("c", 2)):
        make_vm(host, name, memory_kib=memory)
    Placement.objects.filter(name="c").update(state_since=None)
    assert names(alice) == ["A", "b", "c"]
    assert names(alice, sort="-name") == ["c", "b", "A"]
    assert names(alice, sort="-memory") == ["A", "c", "b"]
    assert names(alice, sort="since")[-1] == names(alice, sort="-since")[-1] == "c"


@pytest.mark.parametrize("asked", [{"sort": "actor__password"}, {"sort": "--name"}, {"state": "gone too"}])
def test_it_refuses_what_is_no_choice(alice: User, asked: dict[str, str]) -> None:
    with pytest.raises(BadParameters):
        names(alice, **asked)


@pytest.mark.parametrize("state", STATES)
def test_every_state_can_be_asked_for(alice: User, state: str) -> None:
    assert names(alice, state=state) == []


@pytest.mark.parametrize("q", ["\0", "a" * 10_000, "w " * 5_000, "' OR 1=1 --"])
def test_any_text_can_be_looked_for(vm: VirtualMachine, alice: User, q: str) -> None:
    names(alice, q=q)


def test_it_shows_nothing_to_who_has_no_right(vm: VirtualMachine, mallory: User) -> None:
    assert names(mallory) == []


def test_a_list_with_tags_and_hosts_costs_two_queries(
    host: Host, alice: User, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    for number in range(3):
        Tag.objects.create(vm=make_vm(host, f"web-{number}"), name="demo")
    with django_assert_num_queries(2):  # type: ignore[operator]
        for vm in find_vms(alice).prefetch_related("tags"):
            assert vm.placement and vm.placement.host.name and [tag.name for tag in vm.tags.all()] == ["demo"]


def test_a_short_piece_of_hexadecimal_is_not_looked_for_in_uuids(host: Host, alice: User) -> None:
    make_vm(host, "web-01", search="web-01 dbdbdbdb-0000-4000-8000-000000000000 52:54:00:db:00:01")
    make_vm(host, "db-01", search="db-01 00000000-0000-4000-8000-000000000001")
    make_vm(host, "mail", search="mail 10.0.0.42", addresses=["10.0.0.42"])
    assert names(alice, q="db") == ["db-01"]
    assert names(alice, q="dbdbdbdb") == ["web-01"]
    assert names(alice, q="00:db") == ["web-01"]
    assert names(alice, q="42") == ["mail"]
