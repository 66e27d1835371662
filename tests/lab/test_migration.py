"""VMs go from one real host to another, and whatever comes in between, they run in exactly one place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.fixtures import FORGET
from tests.lab.guests import Guests
from tests.lab.machine import LabHost, address
from tests.lab.moves import ADD, Pair, cable
from tests.lab.stack import Dashboard
from vms.demo import guest


@pytest.fixture(scope="module")
def pair(
    shared_dashboard: Dashboard, lab_host: LabHost, guest_files: guest.Guest
) -> Iterator[Pair]:  # fmt: skip
    if shared_dashboard.process is None or shared_dashboard.process.poll() is not None:
        shared_dashboard.start()
    there = LabHost("lab-b")
    here = shared_dashboard.get("/hosts")["items"][0]["name"]
    added = ADD.format(here=here, there=there.name, socket=there.socket, first=address(2), second=address(1))
    ids = [int(word) for word in shared_dashboard.do(added).split()[-2:]]
    guests = Guests(lab_host, guest_files)
    with cable(lab_host, there):
        yield Pair(shared_dashboard, lab_host, there, dict(zip((lab_host.name, there.name), ids, strict=True)), guests)
    guests.remove_all()
    shared_dashboard.do(FORGET.format(pk=ids[1]))
    there.stop()


def test_it_moves_and_counts_on(pair: Pair) -> None:
    counter = pair.guests.make("counter", start=True)
    vm = pair.dashboard.vm(counter.uuid)
    pair.dashboard.await_state(vm, "running")
    ended = pair.moved(vm, pair.there)
    print(ended)
    assert pair.runs(counter) == ["lab-b"]
    counter.wait_for_count()
    print(counter.counts())
