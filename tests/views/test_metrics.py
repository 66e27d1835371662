"""The pages with charts, and the same as a file."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator

import pytest
from django.test import Client

from tests.metrics.emptied import emptied
from vms import metrics
from vms.metrics import VM
from vms.models import VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture(autouse=True)
def store(db: None) -> Iterator[None]:
    yield from emptied()


@pytest.mark.parametrize(("of", "name", "value"), [("", "day", 40.0), ("highest", "day-highest", 70.0)])
def test_a_step_is_its_mean_or_its_highest(
    client_alice: Client, vm: VirtualMachine, of: str, name: str, value: float
) -> None:
    at = int(time.time()) // 300 * 300 - 600
    shares = {at: 10.0, at + 5: 70.0}
    metrics.store({VM: [(vm.pk, t, [cpu, *[None] * (len(VM.names) - 1)]) for t, cpu in shares.items()]})
    metrics.roll_up(VM, metrics.TIERS[1], [(vm.pk, at // 60 * 60)])
    answer = client_alice.get(f"/vms/{vm.pk}/metrics/csv/?span=day&of={of}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="vm-{vm.pk}-{name}.csv"'
    head, line = csv.reader(answer.content.decode().splitlines())
    assert (head[1], float(line[1])) == ("cpu (percent)", value)
    page = client_alice.get(f"/vms/{vm.pk}/metrics/?span=day&of={of}").content.decode()
    assert f'data-of="{of or "mean"}"' in page and f'csv/?span=day&amp;of={of or "mean"}"' in page
