"""Setting a schedule: what fits, whose it is, and who sees it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import make_vm
from tests.grants import grant
from vms.errors import BadFields, NotAllowed
from vms.models import ApiToken, AuditEvent, Grant, Host, Schedule, Tag, User, VirtualMachine
from vms.permissions import Actor, visible_schedules
from vms.services import schedules
from vms.services.schedule_words import kept, rhythm

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
GOOD: dict[str, Any] = {"name": "nightly", "every": "daily", "minutes": 150, "zone": "Europe/Berlin", "keep_last": 3}


@pytest.fixture
def edith(vm: VirtualMachine) -> User:
    user = User.objects.create(username="edith")
    grant(user, "editor", vm)
    return user


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"name": ""}, {"name": "missing"}),
        ({"name": " a"}, {"name": "schedule_name"}),
        ({"name": "a\nb"}, {"name": "schedule_name"}),
        ({"every": "yearly"}, {"every": "choice"}),
        ({"minutes": 1440}, {"minutes": "schedule_minutes"}),
        ({"every": "hourly", "minutes": 60}, {"minutes": "schedule_minute"}),
        ({"every": "weekly", "day": 7}, {"day": "schedule_weekday"}),
        ({"every": "monthly", "day": 0}, {"day": "schedule_day"}),
        ({"zone": "Europe/../etc/passwd"}, {"zone": "choice"}),
        ({"keep_last": 0}, {"keep_last": "schedule_keep_none"}),
        ({"keep_daily": 1001}, {"keep_daily": "schedule_keep"}),
        ({"tag": "web"}, {"of": "schedule_of"}),
        ({"vm": None}, {"of": "schedule_of"}),
    ],
)
def test_what_does_not_fit(vm: VirtualMachine, edith: User, values: dict[str, Any], wrong: dict[str, str]) -> None:
    with pytest.raises(BadFields) as refused:
        schedules.add(Actor(edith), {**GOOD, "vm": vm.pk, **values})
    assert refused.value.errors == wrong
    assert not Schedule.objects.exists()


def test_its_next_times_are_by_its_zones_clock(vm: VirtualMachine, edith: User) -> None:
    made = schedules.add(Actor(edith), {**GOOD, "vm": vm.pk})
    coming = schedules.coming(made)
    assert [f"{at:%H:%M}" for at in coming[:1]] == ["02:30"] and str(coming[0].tzinfo) == "Europe/Berlin"
    assert len(coming) == 3 and made.next_run_at == coming[0] > timezone.now()
    assert rhythm(made) == "every day at 02:30 (Europe/Berlin)" and kept(made) == "the last 3"


def test_one_needs_all_that_it_does(vm: VirtualMachine, mallory: User) -> None:
    """Who may not discard what was kept would fill a disk without end."""
    grant(mallory, "operator", vm)
    with pytest.raises(NotAllowed):
        schedules.add(Actor(mallory), {**GOOD, "vm": vm.pk})


def test_a_token_needs_it_in_its_scopes(vm: VirtualMachine, edith: User) -> None:
    token = ApiToken.objects.create(
        user=edith, prefix="a", token_hash="b", scopes=" vm.schedule vm.snapshot vm.view ",
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    for of in ({"vm": vm.pk}, {"tag": "web"}):
        Tag.objects.get_or_create(vm=vm, name="web")
        with pytest.raises((NotAllowed, BadFields)):
            schedules.add(Actor(edith, token=token), {**GOOD, **of})


def test_what_one_does_not_see_is_not_there(host: Host, vm: VirtualMachine, edith: User) -> None:
    """A tag or a host of which one reaches nothing tells nothing either."""
    hidden = make_vm(host, "hidden")
    Tag.objects.create(vm=hidden, name="secret")
    for of, wrong in (
        ({"vm": hidden.pk}, {"vm": "schedule_no_vm"}),
        ({"vm": 999}, {"vm": "schedule_no_vm"}),
        ({"host": host.pk}, {"host": "schedule_no_host"}),
        ({"tag": "secret"}, {"tag": "schedule_reaches_none"}),
        ({"tag": "nothing"}, {"tag": "schedule_reaches_none"}),
    ):
        with pytest.raises(BadFields) as refused:
            schedules.add(Actor(edith), {**GOOD, **of})
        assert refused.value.errors == wrong


def test_who_sees_it(host: Host, vm: VirtualMachine, edith: User, alice: User, mallory: User) -> None:
    """Its owner, who could set one on its VM, and administrators; of a tag nobody else."""
    Tag.objects.create(vm=vm, name="web")
    of_vm = schedules.add(Actor(edith), {**GOOD, "vm": vm.pk})
    of_tag = schedules.add(Actor(edith), {**GOOD, "tag": "web", "name": "tagged"})
    oscar, ed = User.objects.create(username="oscar"), User.objects.create(username="ed")
    grant(oscar, "operator", vm)
    grant(ed, "editor", vm)
    assert set(visible_schedules(edith)) == {of_vm, of_tag} == set(visible_schedules(alice))
    assert set(visible_schedules(ed)) == {of_vm}
    assert not visible_schedules(oscar) and not visible_schedules(mallory)
    assert set(schedules.holding(vm)) == {of_vm, of_tag}
    Grant.objects.all().delete()
    assert set(visible_schedules(edith)) == {of_vm, of_tag}


def test_who_changes_it_makes_it_his(vm: VirtualMachine, edith: User, alice: User) -> None:
    made = schedules.add(Actor(edith), {**GOOD, "vm": vm.pk})
    schedules.change(Actor(alice), made, {"keep_last": 5})
    made.refresh_from_db()
    assert made.owner == alice and made.keep_last == 5
    with pytest.raises(NotAllowed):
        schedules.run_now(Actor(edith), made)
    # Off is no change of whose it is.
    schedules.switch(Actor(edith), made, on=False)
    made.refresh_from_db()
    assert (made.owner, made.enabled, made.next_run_at) == (alice, False, None)
    schedules.switch(Actor(edith), made, on=True)
    made.refresh_from_db()
    assert made.owner == edith and made.next_run_at
    told = list(AuditEvent.objects.order_by("pk").values_list("action", "user_name"))
    assert told == [
        ("added:schedule", "edith"), ("changed:schedule", "alice"), ("switched-off:schedule", "edith"),
        ("switched-on:schedule", "edith"),
    ]  # fmt: skip


def test_names_and_numbers_have_an_end(vm: VirtualMachine, edith: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "MOST", 2)
    schedules.add(Actor(edith), {**GOOD, "vm": vm.pk})
    with pytest.raises(BadFields) as refused:
        schedules.add(Actor(edith), {**GOOD, "name": "Nightly", "vm": vm.pk})
    assert refused.value.errors == {"name": "schedule_taken"}
    schedules.add(Actor(edith), {**GOOD, "name": "b", "vm": vm.pk})
    with pytest.raises(BadFields) as refused:
        schedules.add(Actor(edith), {**GOOD, "name": "c", "vm": vm.pk})
    assert refused.value.errors == {"name": "schedule_many"}


def test_it_runs_now_and_goes_on_as_before(vm: VirtualMachine, edith: User) -> None:
    made = schedules.add(Actor(edith), {**GOOD, "vm": vm.pk})
    after = made.next_run_at
    assert schedules.run_now(Actor(edith), made).next_run_at <= timezone.now()  # type: ignore[operator]
    from vms.services import schedule_runs

    schedule_runs.turn()
    made.refresh_from_db()
    assert made.next_run_at == after


def test_what_it_keeps_in_words(vm: VirtualMachine) -> None:
    def words(**keeps: int) -> str:
        return kept(Schedule(**{f"keep_{name}": number for name, number in keeps.items()}))

    assert words(last=1) == "the last one"
    assert words(daily=7) == "the latest of each of 7 days"
    assert (
        words(last=3, hourly=2, daily=7, monthly=1)
        == "the last 3 and the latest of each of 2 hours, 7 days and 1 month"
    )
