"""The pages of plans for several hosts."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.services.test_host_plans import Lot, roomy, store
from tests.services.test_placement import make, make_host, make_pool
from vms.models import Host, HostPlan, Operation, Placement
from vms.operations.host_plans import work_out

__all__ = ["roomy", "store"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def hosts() -> list[Host]:
    made = [make_host(name) for name in ("here", "there")]
    pool = make_pool(made[0], "shared", type="netfs")
    make_pool(made[1], "shared", like=pool, type="netfs")
    make(made[0], pool, "web-01")
    make(made[1], pool, "web-02")
    return made


def asked(client: Client, **sent: str) -> HostPlan:
    """A plan that the form asks for and a worker works out."""
    answer = client.post("/plans/", {"kind": "consolidate", "on_allocation": "on", **sent})
    assert answer.status_code == 302, answer.content.decode()
    plan = HostPlan.objects.latest("pk")
    assert answer["Location"] == f"/plans/{plan.pk}/"
    return plan


def worked_out(plan: HostPlan) -> HostPlan:
    assert plan.computing
    work_out(plan.computing, lambda _connection: None)
    Operation.objects.filter(pk=plan.computing.pk).update(state="succeeded")
    return plan


def page(client: Client, plan: HostPlan) -> str:
    return client.get(f"/plans/{plan.pk}/").content.decode()


def test_a_plan_is_asked_for_read_approved_halted_and_ended(client_alice: Client, hosts: list[Host]) -> None:
    plan = asked(client_alice, margin="10")
    assert "It is being worked out" in page(client_alice, plan)
    text = page(client_alice, worked_out(plan))
    assert "1 host instead of 2" in text and "no plan needs fewer" in text
    assert "here ends up empty" in text and f"/hosts/{hosts[0].pk}/maintenance/" in text
    assert "empties here" in text and "4 GiB" in text and "Move 1 VM" in text
    assert "10 % of each host stay free" in text
    [digest] = re.findall(r'name="hash" value="([0-9a-f]{64})"', text)
    client_alice.post(f"/plans/{plan.pk}/", {"do": "run", "hash": "0" * 64}, follow=True)
    assert HostPlan.objects.get(pk=plan.pk).state == "ready"
    client_alice.post(f"/plans/{plan.pk}/", {"do": "run", "hash": digest})
    text = page(client_alice, plan)
    assert "0 of 1 moves are through" in text and "Pause" in text
    client_alice.post(f"/plans/{plan.pk}/", {"do": "pause"})
    assert "Go on" in page(client_alice, plan)
    client_alice.post(f"/plans/{plan.pk}/", {"do": "cancel"})
    text = page(client_alice, plan)
    assert "ended before all was done" in text and "Back to before" not in text
    assert "1 host instead of 2" in client_alice.get("/plans/").content.decode()


def test_too_short_a_time_is_said(client_alice: Client, hosts: list[Host]) -> None:
    plan = asked(client_alice, on_allocation="")
    assert plan.computing
    Operation.objects.filter(pk=plan.computing.pk).update(
        state="failed", error_code="not_measured", error_params={"host": "here", "hours": 3, "least": 24}
    )
    assert "here was measured for 3 hours" in page(client_alice, plan)
    answer = client_alice.post(f"/plans/{plan.pk}/", {"do": "again"})
    assert answer["Location"] == f"/plans/{HostPlan.objects.latest('pk').pk}/" != f"/plans/{plan.pk}/"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"kind": "evacuate"}, "This is needed"),
        ({"kind": "whatif"}, "This is needed"),
        ({"kind": "whatif", "more_cpus": "4"}, "whole number"),
        ({"margin": "95"}, "less than or equal to 90"),
        ({"apart": "x" * 60}, "1 to 50 signs"),
    ],
)
def test_what_does_not_fit_stands_at_its_field(
    client_alice: Client, hosts: list[Host], sent: dict[str, str], said: str
) -> None:
    answer = client_alice.post("/plans/", {"kind": "consolidate", **sent})
    assert answer.status_code == 400 and said in answer.content.decode()


def test_vms_that_are_to_stay_are_named(client_alice: Client, hosts: list[Host]) -> None:
    text = page(client_alice, worked_out(asked(client_alice, pinned=" web-01 ,")))
    assert "web-01 stay" in text and "empties there" in text
    text = page(client_alice, worked_out(asked(client_alice, pinned="web-01, web-02")))
    assert "web-01, web-02 stay" in text and "nothing to move" in text
    answer = client_alice.post("/plans/", {"kind": "consolidate", "pinned": "web-01, nobody"})
    assert answer.status_code == 400
    assert "You see no VM of that name on these hosts: nobody." in answer.content.decode()


def test_it_is_planned_as_if_vms_were_smaller_and_run_when_they_are(client_alice: Client, roomy: Lot) -> None:
    vms = roomy[1]
    plan = worked_out(asked(client_alice, on_allocation="", shrink="on"))
    text = page(client_alice, plan)
    assert "After shrinking these 2 VMs: 2 hosts instead of 3." in text and "Memory: 24 GiB → 4 GiB" in text
    assert f"/vms/{vms[0].pk}/hardware/?part=memory&amp;memory=4096&amp;apply=next" in text
    client_alice.post(f"/plans/{plan.pk}/", {"do": "smaller"})
    smaller = worked_out(HostPlan.objects.latest("pk"))
    assert smaller.of == plan
    text = page(client_alice, smaller)
    assert "2 hosts instead of 3" in text and "as if VMs that are too large had been shrunk" in text
    assert "It can be run once 2 VMs that it counts on are smaller" in text and "Move 2 VMs" not in text
    client_alice.post(f"/plans/{smaller.pk}/", {"do": "run", "hash": smaller.digest})
    assert HostPlan.objects.get(pk=smaller.pk).state == "ready"
    Placement.objects.filter(vm__in=vms[:2]).update(memory_kib=4 << 20)
    assert "Move 2 VMs" in page(client_alice, smaller)


def test_what_if_tells_who_finds_room(client_alice: Client, hosts: list[Host]) -> None:
    plan = asked(client_alice, kind="whatif", lose=str(hosts[0].pk), add="3", more_cpus="8", more_gib="32")
    text = page(client_alice, worked_out(plan))
    assert "If here is lost" in text and "Of 3 new VMs 3 find room" in text and "the new host" in text
    assert "Move " not in text


def test_who_maintains_no_host_is_refused(client_mallory: Client, client_alice: Client, hosts: list[Host]) -> None:
    plan = asked(client_alice)
    assert client_mallory.get("/plans/").status_code == 403
    assert client_mallory.get(f"/plans/{plan.pk}/").status_code == 404
