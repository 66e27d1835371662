"""The page of a host's maintenance."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.services.test_placement import make, make_host, make_pool
from vms.models import EvacuatedVm, Host, Network, Operation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def hosts() -> list[Host]:
    made = [make_host(name) for name in ("here", "there")]
    pool = make_pool(made[0], "shared", type="netfs")
    make_pool(made[1], "shared", like=pool, type="netfs")
    make(made[0], pool)
    return made


def path(host: Host) -> str:
    return f"/hosts/{host.pk}/maintenance/"


def page(client: Client, host: Host) -> str:
    return client.get(path(host)).content.decode()


def digest(text: str) -> str:
    found = re.search(r'name="plan" value="([0-9a-f]{64})"', text)
    assert found
    return found[1]


def test_the_plan_is_shown_and_approved(client_alice: Client, hosts: list[Host]) -> None:
    text = page(client_alice, hosts[0])
    assert "1 VM moves away" in text and "there</bdi>" in text and "Empty it" in text
    client_alice.post(path(hosts[0]), {"do": "enter", "plan": digest(text), "parallel": "1"})
    text = page(client_alice, hosts[0])
    assert "0 of 1 are through" in text and "Begin no further move" in text
    assert "takes no new VMs" in text and EvacuatedVm.objects.get().name == "web-01"
    client_alice.post(path(hosts[0]), {"do": "leave"})
    assert Operation.objects.get().state == "cancelled" and Host.objects.get(pk=hosts[0].pk).in_maintenance_at is None
    assert "not begun" in page(client_alice, hosts[0])


def test_what_cannot_move_is_named_with_what_can_be_done(client_alice: Client, hosts: list[Host]) -> None:
    Network.objects.filter(host=hosts[1]).delete()
    text = page(client_alice, hosts[0])
    assert "Can't move" in text and "lacks the network" in text and "shut it down; it stays here, off" in text
    vm = re.search(r'name="choice-(\d+)"', text)
    assert vm
    sent = {"do": "enter", "plan": digest(text), f"choice-{vm[1]}": "shutdown"}
    client_alice.post(path(hosts[0]), sent)
    assert EvacuatedVm.objects.get().steps == ["shutdown"]


def test_an_old_plan_is_refused_in_words(client_alice: Client, hosts: list[Host]) -> None:
    for sent in ({"do": "enter", "plan": "0" * 64}, {"do": "back", "plan": "0" * 64}):
        answer = client_alice.post(path(hosts[0]), sent, follow=True)
        assert "By now this would go another way" in answer.content.decode()
    assert client_alice.post(path(hosts[0]), {"do": "sing"}, follow=True).status_code == 200
    assert not Operation.objects.exists()


def test_a_host_is_only_marked_where_that_is_wished(client_alice: Client, hosts: list[Host]) -> None:
    client_alice.post(path(hosts[0]), {"do": "mark"})
    assert not Operation.objects.exists()
    for where in ("/hosts/", "/", f"/hosts/{hosts[0].pk}/"):
        assert ">maintenance</span>" in client_alice.get(where).content.decode(), where
