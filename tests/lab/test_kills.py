"""kill -9 of the worker and of the watcher in the middle of a start: nothing lost, nothing twice, guests run on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard


def starts(host: LabHost, name: str) -> int:
    """How often QEMU was started for the VM, by libvirt's own log."""
    log = host.folder / f"var/log/libvirt/qemu/{name}.log"
    return log.read_text(errors="replace").count(": starting up libvirt version") if log.exists() else 0


@contextmanager
def held(host: LabHost) -> Iterator[None]:
    """libvirtd stands still inside, as a hung one does."""
    pid = host.pid("libvirtd")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill(dashboard: Dashboard, name: str) -> None:
    """kill -9, and wait until the supervisor has another."""
    ended = dashboard.pid(name)
    os.kill(ended, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{ended}/cmdline").exists() or None, f"{name} {ended} is gone")


def row(dashboard: Dashboard, operation: int) -> tuple[str, str]:
    """(state, facts before) of the operation, read beside the dashboard."""
    [(state, before)] = dashboard.query("SELECT state, before FROM vms_operation WHERE id = ?", operation)
    return state, before


def asked(dashboard: Dashboard, operation: int) -> bool:
    """Whether the host is being asked: the facts before are on the row, and it has not ended."""
    state, before = row(dashboard, operation)
    return state == "running" and before != "{}"


@pytest.fixture
def witness(guests: Guests) -> Iterator[LabGuest]:
    """A guest that runs beside it all and must go on counting in one boot."""
    made = guests.make("witness", start=True)
    yield made
    made.wait_for_count()
    assert len(made.boots()) == 1


def test_a_worker_killed_before_the_host_is_asked_has_done_nothing(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost, witness: LabGuest
) -> None:
    guest = guests.make("killed-before")
    vm = dashboard.vm(guest.uuid)
    with held(lab_host):
        operation = dashboard.ask(vm, "start")
        eventually(lambda: row(dashboard, operation)[0] == "running", "it is claimed", every=0.01)
        kill(dashboard, "worker")
    told = dashboard.await_operation(operation, "failed", within=60)
    assert told["error"]["code"] == "worker_died"
    assert starts(lab_host, guest.name) == 0

    dashboard.await_operation(dashboard.ask(vm, "start"))
    guest.wait_for_boot()
    assert (starts(lab_host, guest.name), len(guest.boots())) == (1, 1)


def test_a_worker_killed_while_the_host_starts_it_is_told_by_evidence(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost, witness: LabGuest
) -> None:
    guest = guests.make("killed-within")
    vm = dashboard.vm(guest.uuid)
    operation = dashboard.ask(vm, "start")
    eventually(lambda: asked(dashboard, operation), "the host is asked", every=0.002)
    kill(dashboard, "worker")
    told = dashboard.await_operation(operation, "succeeded", "failed", within=60)
    guest_runs = starts(lab_host, guest.name) == 1
    # The blow may fall before libvirtd has read the call; what is said must be what is.
    assert (told["state"] == "succeeded") == guest_runs, told
    if guest_runs:
        assert [line["code"] for line in told["log"]] == ["claimed", "reconciled"]
        guest.wait_for_boot()
        assert len(guest.boots()) == 1
        dashboard.await_state(vm, "running")


def test_a_watcher_killed_while_the_host_starts_it_catches_up(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost, witness: LabGuest
) -> None:
    guest = guests.make("unwatched")
    vm = dashboard.vm(guest.uuid)
    operation = dashboard.ask(vm, "start")
    eventually(lambda: asked(dashboard, operation), "the host is asked", every=0.002)
    kill(dashboard, "watcher")
    dashboard.await_operation(operation, within=60)
    dashboard.await_state(vm, "running", within=60)
    guest.wait_for_boot()
    assert (starts(lab_host, guest.name), len(guest.boots())) == (1, 1)


def test_a_watcher_killed_before_the_host_is_asked_stops_no_work(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost, witness: LabGuest
) -> None:
    guest = guests.make("unwatched-before")
    vm = dashboard.vm(guest.uuid)
    with held(lab_host):
        operation = dashboard.ask(vm, "start")
        eventually(lambda: row(dashboard, operation)[0] == "running", "it is claimed", every=0.01)
        kill(dashboard, "watcher")
    dashboard.await_operation(operation, within=60)
    dashboard.await_state(vm, "running", within=60)
    guest.wait_for_boot()
    assert (starts(lab_host, guest.name), len(guest.boots())) == (1, 1)
