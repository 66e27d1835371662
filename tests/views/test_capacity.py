"""The page of what there is, is given and is used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from tests.conftest import make_vm
from tests.metrics.emptied import emptied
from vms import metrics
from vms.metrics import HOST, VM
from vms.models import Host, StoragePool, Volume

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture(autouse=True)
def store(db: None) -> Iterator[None]:
    yield from emptied()


def fill(host: Host, number: int) -> None:
    """So many VMs that run and were measured, and so many pools."""
    now = int(time.time())
    metrics.store({HOST: [(host.pk, now - 5, [25.0, 0.0, 1 << 30])]})
    for at in range(number):
        vm = make_vm(host, f"vm-{host.pk}-{at}", vcpus=1)
        metrics.store({VM: [(vm.pk, now - 5, [float(at + 1)] + [None] * 19)]})
        pool = StoragePool.objects.create(
            host=host, uuid=UUID(int=StoragePool.objects.count()), name=f"pool-{at}", active=True,
            capacity_bytes=10 << 30, available_bytes=4 << 30,
        )  # fmt: skip
        Volume.objects.create(storage=pool.storage, name="disk", capacity_bytes=5 << 30)


def test_it_asks_as_much_for_many_as_for_few(client_alice: Client, host: Host, django_assert_num_queries: Any) -> None:
    for number in (2, 15):
        fill(host, number)
        fill(Host.objects.create(name=f"host-{number}", node="node-a"), number)
        client_alice.get("/capacity/")
        # Session, user and limits, hosts and operations of the frame; the six of the page.
        with django_assert_num_queries(5 + 6):
            client_alice.get("/capacity/")


def test_it_says_what_is_beyond_what_there_is(client_alice: Client, host: Host) -> None:
    fill(host, 3)
    text = client_alice.get("/capacity/").content.decode()
    # Three processors for two; five GiB that can come where four are free.
    assert "1.5 for each that there is" in text and "1 GiB more than fits" in text
    assert "0.50 used" in text
    assert text.index(f"vm-{host.pk}-2") < text.index(f"vm-{host.pk}-1") < text.index(f"vm-{host.pk}-0")


def test_what_the_address_says_wrongly_is_the_first(client_alice: Client, host: Host) -> None:
    fill(host, 1)
    text = client_alice.get("/capacity/?by=;&over=%00&page=x").content.decode()
    assert 'href="?by=cpu&amp;over=now" aria-current="true"' in text
