"""Where somebody begins who sees a few VMs and nothing around them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from tests.views.test_rights import FOREIGN, make_operation
from tests.views.test_rights import site as site
from vms.models import Grant, Host, Placement, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

REFRESH = {"X-Kvmweb-Refresh": "1"}


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


@pytest.fixture
def browser(carol: User) -> Client:
    return sign_in(carol)


def text(browser: Client, **more: Any) -> str:
    answer = browser.get("/", **more)
    assert answer.status_code == 200
    return answer.content.decode()


def test_nothing_yet_says_whom_to_ask(browser: Client, host: Host) -> None:
    make_vm(host, "db-01")
    shown = text(browser)
    assert "An administrator can give you rights." in shown and "db-01" not in shown and host.name not in shown


def test_one_vm_is_where_one_lands(browser: Client, site: VirtualMachine) -> None:
    assert browser.get("/").headers["Location"] == f"/vms/{site.pk}/"


def test_a_few_are_cards_with_the_likely_next_step(browser: Client, carol: User, site: VirtualMachine) -> None:
    assert site.placement
    off = make_vm(site.placement.host, "web-02", state="shut_off")
    watched = make_vm(site.placement.host, "web-03", state="shut_off")
    grant(carol, "operator", off)
    grant(carol, "viewer", watched)
    shown = text(browser)
    assert f'href="/vms/{site.pk}/console/"' in shown and f"/vms/{site.pk}/start/" not in shown
    assert f"/vms/{off.pk}/start/" in shown and f'href="/vms/{off.pk}/console/"' not in shown
    assert f'href="/vms/{watched.pk}/"' in shown and f"/vms/{watched.pk}/start/" not in shown
    assert [word for word in FOREIGN if word in shown] == []


def test_the_screen_of_what_runs_is_on_its_card_where_there_is_one(browser: Client, carol: User, host: Host) -> None:
    vms = {name: make_vm(host, name, state=state) for name, state in (("on", "running"), ("off", "shut_off"))}
    vms |= {"spice": make_vm(host, "spice", state="running"), "paused": make_vm(host, "paused", state="paused")}
    for name, vm in vms.items():
        grant(carol, "operator", vm)
        Placement.objects.filter(vm=vm).update(graphics=["spice"] if name == "spice" else ["vnc"])
    shown = text(browser)
    assert [name for name, vm in vms.items() if f'id="screen-{vm.pk}"' in shown] == ["on", "paused"]


def test_who_may_not_see_its_screen_is_offered_none(browser: Client, carol: User, host: Host) -> None:
    for name in ("web-01", "web-02"):
        grant(carol, "viewer", make_vm(host, name, state="running"))
    Placement.objects.update(graphics=["vnc"])
    assert "/console/" not in text(browser)


def test_what_failed_is_told_there(browser: Client, carol: User, site: VirtualMachine) -> None:
    assert site.placement
    grant(carol, "operator", make_vm(site.placement.host, "web-02"))
    make_operation(site, carol, kind="vm.pause", state="failed", error_code="timed_out")
    shown = text(browser)
    assert "Needs you" in shown and "“Pause” failed" in shown


def test_a_right_that_is_taken_takes_the_card_away(browser: Client, carol: User, site: VirtualMachine) -> None:
    assert site.placement
    other = make_vm(site.placement.host, "web-02")
    given = grant(carol, "operator", other)
    assert 'id="overview"' in text(browser) and "web-02" in text(browser)
    given.delete()
    shown = text(browser, headers=REFRESH)
    assert "web-02" not in shown and f'id="card-{site.pk}"' in shown
    Grant.objects.filter(user=carol).delete()
    shown = text(browser, headers=REFRESH)
    assert 'id="overview"' in shown and "web-01" not in shown


def test_many_vms_or_a_host_are_an_overview(browser: Client, carol: User, host: Host) -> None:
    for number in range(7):
        make_vm(host, f"web-{number}")
    make_vm(host, "db-01")
    given = grant(carol, "viewer", prefix="web")
    assert "All well. 7 VMs run." in text(browser)
    given.delete()
    grant(carol, "viewer", name="web-0")
    assert browser.get("/").status_code == 302
    grant(carol, "viewer", Host.objects.create(name="host-b", node="node-a", heard_at=host.heard_at))
    assert "host-b" in text(browser)


def test_an_administrator_has_the_overview(client_alice: Client, site: VirtualMachine) -> None:
    assert "Lately" in text(client_alice)


def test_it_has_its_queries(browser: Client, carol: User, host: Host, django_assert_num_queries: Any) -> None:
    grant(carol, "operator", prefix="web")
    for more in (range(2), range(2, 6)):
        for number in more:
            make_vm(host, f"web-{number}")
        text(browser)
        with django_assert_num_queries(23):
            text(browser)
