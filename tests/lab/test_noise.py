"""A VM with hundreds of events a second costs itself: its neighbour is seen as ever, and its own last word is read."""

from __future__ import annotations

import threading

import libvirt
import pytest

from tests.lab.guests import Guests
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard

ENOUGH = 300


@pytest.mark.long
def test_a_noisy_vm_does_not_keep_its_neighbour(dashboard: Dashboard, guests: Guests) -> None:
    noisy, quiet = guests.make("noisy", graphics=None), guests.make("quiet", start=True)
    loud, neighbour = dashboard.vm(noisy.uuid), dashboard.vm(quiet.uuid)
    dashboard.await_state(neighbour, "running")
    said: list[str] = []
    enough = threading.Event()

    def make_noise() -> None:
        domain = noisy.domain
        while not enough.is_set():
            title = f"title {len(said)}"
            domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, title, None, None, 0)
            said.append(title)

    thread = threading.Thread(target=make_noise)
    thread.start()
    try:
        for _ in range(3):
            quiet.domain.suspend()
            dashboard.await_state(neighbour, "paused", within=10)
            quiet.domain.resume()
            dashboard.await_state(neighbour, "running", within=10)
        enough.wait(0 if len(said) > ENOUGH else 5)
    finally:
        enough.set()
        thread.join()
    assert len(said) > ENOUGH
    eventually(lambda: dashboard.get(f"/vms/{loud}")["title"] == said[-1], "its last word is read", within=30)
