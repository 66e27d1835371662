"""Quotas as administrators read and set them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from tests.conftest import sign_in
from tests.views.test_grants import read
from vms.models import Quota, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

SET = {"kind": "user", "to": "mallory", "vms": "3", "memory_kib": "8"}


def test_it_is_set_changed_and_taken_away(client_alice: Client, mallory: User, vm: VirtualMachine) -> None:
    assert "No quota" in read(client_alice, "/quotas/")
    assert client_alice.post("/quotas/", SET).status_code == 302
    quota = Quota.objects.get()
    assert (quota.vms, quota.vcpus, quota.memory_kib) == (3, None, 8 << 20)
    assert "mallory 0 VMs of at most 3 VMs · 0 GiB of memory of at most 8 GiB of memory" in read(
        client_alice, "/quotas/"
    )
    form: Any = client_alice.get(f"/quotas/?change={quota.pk}")
    assert form.context["form"]["memory_kib"].value() == 8
    assert form.context["form"]["to"].value() == "mallory"
    client_alice.post("/quotas/", {"kind": "user", "to": "mallory"})
    assert not Quota.objects.exists()


def test_a_group_has_one_too(client_alice: Client, db: None) -> None:
    Group.objects.create(name="staff")
    client_alice.post("/quotas/", {"kind": "group", "to": "staff", "disk_bytes": "100"})
    assert "group staff 0 GiB of disks of at most 100 GiB of disks" in read(client_alice, "/quotas/")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"to": "nobody-here"}, "There is no user of exactly this name."),
        ({"kind": "group"}, "There is no group of exactly this name."),
        ({"vms": "-1"}, "greater than or equal to 0"),
        ({"vms": "many"}, "Enter a whole number."),
        ({"vms": str(2**31)}, "A whole number from 0 on"),
        ({"memory_kib": str(2**62)}, "A whole number from 0 on"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    client_alice: Client, mallory: User, wrong: dict[str, str], said: str
) -> None:
    answer: Any = client_alice.post("/quotas/", {**SET, **wrong})
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert answer.context["form"]["vms"].value() == {**SET, **wrong}["vms"]
    assert not Quota.objects.exists()


@pytest.mark.parametrize("change", ["x", "0", "99999999999999999999", "-1", "١"])
def test_a_strange_number_shows_the_empty_form(client_alice: Client, change: str) -> None:
    answer: Any = client_alice.get("/quotas/", {"change": change})
    assert answer.status_code == 200
    assert answer.context["form"]["to"].value() is None


def test_others_see_none(mallory: User) -> None:
    assert sign_in(mallory).get("/quotas/").status_code == 403


def test_ones_own_account_tells_ones_own_and_ones_groups(mallory: User, alice: User) -> None:
    staff = Group.objects.create(name="staff")
    Quota.objects.create(user=mallory, vms=3)
    Quota.objects.create(group=staff, vcpus=8)
    Quota.objects.create(user=alice, snapshots=7)
    browser = sign_in(mallory)
    assert "Your quotas 0 VMs of at most 3 VMs" in (shown := read(browser, "/account/"))
    assert "snapshots" not in shown and "processors" not in shown
    staff.user_set.add(mallory)
    assert "group staff 0 processors of at most 8 processors" in read(browser, "/account/")


def test_who_has_none_reads_nothing_of_them(mallory: User) -> None:
    assert "Your quotas" not in read(sign_in(mallory), "/account/")
