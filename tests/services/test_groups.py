"""Groups: named so that nobody takes one for another, changed by administrators in person, told to audit and pages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.http import Http404
from django.utils import timezone

from tests.conftest import make_vm
from tests.grants import grant
from vms.errors import BadFields, NotAllowed
from vms.models import AuditEvent, Grant, Host, User, VirtualMachine
from vms.permissions import Actor, may
from vms.services import grants, groups, quotas, tokens
from vms.services.grants import Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def staff(db: None) -> Group:
    return Group.objects.create(name="staff")


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was announced."""
    found: list[str] = []
    monkeypatch.setattr("vms.live.announce", lambda several: found.extend(several))
    return found


def lines() -> list[tuple[str, Any]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "facts"))


def test_rights_come_with_joining_and_go_with_leaving(
    actor: Actor, staff: Group, carol: User, vm: VirtualMachine
) -> None:
    grant(staff, "operator", vm)
    groups.join(actor, staff, "carol")
    assert may(carol, "vm.power", vm)
    groups.join(actor, staff, "carol")
    groups.leave(actor, staff, carol)
    assert not may(carol, "vm.power", vm)
    groups.leave(actor, staff, carol)
    facts = {"group": "staff", "member": "carol"}
    assert lines() == [("joined:group", facts), ("left:group", facts)]


def test_what_is_told_of_a_group_from_its_beginning_to_its_end(actor: Actor, carol: User, vm: VirtualMachine) -> None:
    crew = groups.add(actor, "crew")
    groups.rename(actor, crew, "night crew")
    groups.rename(actor, crew, "night crew")
    groups.join(actor, crew, "carol")
    given = grants.give(actor, Wish(role="operator", group="night crew", vm=vm.pk))
    grant(crew, "owner", vm, ends_at=timezone.now() - timedelta(minutes=1))
    quotas.change(actor, Group.objects.get(), {"vms": 2})
    groups.remove(actor, crew)
    assert not may(carol, "vm.power", vm) and not Grant.objects.exists() and User.objects.filter(pk=carol.pk).exists()
    told = lines()
    assert [action for action, _ in told] == [
        "added:group", "renamed:group", "joined:group", "gave:grant", "changed:quota", "took:grant",
        "changed:quota", "removed:group",
    ]  # fmt: skip
    assert told[1][1] == {"group": "crew", "before": "crew", "after": "night crew"}
    assert (told[5][1]["grant"], told[5][1]["to"]) == (given.pk, "group night crew")
    assert (told[6][1]["of"], told[6][1]["before"]["vms"], told[6][1]["after"]["vms"]) == ("night crew", 2, None)
    assert told[7][1] == {"group": "night crew", "members": "carol"}


@pytest.mark.parametrize(
    ("name", "code"),
    [("", "missing"), ("STAFF", "group_taken"), ("Straße", ""), ("STRASSE", "group_taken"), (" crew", "group_name"),
     ("crew ", "group_name"), ("a\nb", "group_name"), ("a\u202eb", "group_name"), ("x" * 151, "group_name"),
     ("x" * 150, ""), ("Cafe\u0301", ""), ("CAFÉ", "group_taken")],
)  # fmt: skip
def test_a_name_is_one_that_nobody_mistakes(actor: Actor, staff: Group, name: str, code: str) -> None:
    if code == "group_taken":
        Group.objects.bulk_create([Group(name="strasse"), Group(name="café")])
    before = Group.objects.count()
    if not code:
        assert len(groups.add(actor, name).name) <= len(name)
        return
    with pytest.raises(BadFields) as bad:
        groups.add(actor, name)
    assert bad.value.errors == {"name": code}
    with pytest.raises(BadFields):
        groups.rename(actor, Group.objects.create(name="other"), name)
    assert Group.objects.count() == before + 1 and lines() == []


def test_a_group_may_change_its_own_capitals(actor: Actor, staff: Group) -> None:
    groups.rename(actor, staff, "Staff")
    assert Group.objects.get(pk=staff.pk).name == "Staff"


@pytest.mark.parametrize("who", ["owner of everything", "token"])
def test_changing_members_is_giving_rights(
    who: str, actor: Actor, staff: Group, mallory: User, carol: User, alice: User, vm: VirtualMachine
) -> None:
    staff.user_set.add(carol)
    grant(mallory, "owner", everything=True)
    asks = Actor(mallory) if who != "token" else Actor(alice, token=tokens.create(alice)[0])
    changes: tuple[Callable[[], object], ...] = (
        lambda: groups.add(asks, "crew"), lambda: groups.rename(asks, staff, "crew"),
        lambda: groups.remove(asks, staff), lambda: groups.join(asks, staff, "mallory"),
        lambda: groups.leave(asks, staff, carol),
    )  # fmt: skip
    for change in changes:
        with pytest.raises(NotAllowed):
            change()
    assert list(staff.user_set.all()) == [carol] and Group.objects.get().name == "staff"
    assert not [action for action, _ in lines() if action.endswith(":group")]


def test_who_is_an_administrator_no_more_is_asked_anew(actor: Actor, staff: Group) -> None:
    User.objects.filter(pk=actor.user.pk).update(is_administrator=False)
    with pytest.raises(NotAllowed):
        groups.join(actor, staff, "alice")
    assert not staff.user_set.exists()


def test_one_that_somebody_has_removed_is_not_there(actor: Actor, staff: Group, carol: User) -> None:
    Group.objects.filter(pk=staff.pk).delete()
    changes: tuple[Callable[[], object], ...] = (
        lambda: groups.join(actor, staff, "carol"), lambda: groups.remove(actor, staff),
    )  # fmt: skip
    for change in changes:
        with pytest.raises(Http404):
            change()
    assert lines() == []


def test_nobody_joins_who_is_not_there(actor: Actor, staff: Group) -> None:
    with pytest.raises(BadFields) as bad:
        groups.join(actor, staff, "CAROL")
    assert bad.value.errors == {"member": "unknown_user"}


def test_pages_are_told_of_the_vms_that_a_change_reaches(
    actor: Actor, staff: Group, carol: User, host: Host, names: list[str]
) -> None:
    web, _ = make_vm(host, "web-01"), make_vm(host, "db-01")
    given = grants.give(actor, Wish(role="viewer", group="staff", name="web-*"))
    assert names == [f"grant:{given.pk}", f"vm:{web.pk}"]
    names.clear()
    groups.join(actor, staff, "carol")
    assert names == [f"group:{staff.pk}", f"vm:{web.pk}"]
    names.clear()
    groups.remove(actor, staff)
    assert names == [f"grant:{given.pk}", f"vm:{web.pk}", f"group:{staff.pk}", f"vm:{web.pk}"]


@pytest.mark.parametrize("on", [{"everything": True}, {"host": 1}, {"tag": "red"}, {"name": "web-01"}])
def test_a_wide_grant_is_announced_by_each_vm_that_it_reaches(
    actor: Actor, carol: User, host: Host, names: list[str], on: dict[str, object]
) -> None:
    web, other = make_vm(host, "web-01"), make_vm(Host.objects.create(name="next-door", node="node-a"), "db-01")
    web.tags.create(name="red")
    on = {name: host.pk if name == "host" else value for name, value in on.items()}
    given = grants.give(actor, Wish(role="viewer", user="carol", **on))  # type: ignore[arg-type]
    reached = {f"vm:{web.pk}"} | ({f"vm:{other.pk}"} if "everything" in on else set())
    assert set(names) == {f"grant:{given.pk}"} | reached
    names.clear()
    grants.take_away(actor, given)
    assert set(names) == {f"grant:{given.pk}"} | reached


@pytest.mark.django_db(transaction=True)
def test_two_who_add_the_same_name_at_once_make_one(actor: Actor) -> None:
    barrier, refused = threading.Barrier(2), []

    def add(name: str) -> None:
        barrier.wait()
        try:
            groups.add(actor, name)
        except BadFields as bad:
            refused.append(bad.errors)
        finally:
            connection.close()

    threads = [threading.Thread(target=add, args=(name,)) for name in ("crew", "CREW")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert refused == [{"name": "group_taken"}] and Group.objects.count() == 1
