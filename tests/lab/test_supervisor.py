"""However the dashboard ends, VMs run on and the next start works."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import eventually
from tests.lab.stack import PROGRAMS, Dashboard


def family(dashboard: Dashboard) -> dict[str, int]:
    return {name: dashboard.pid(name) for name in PROGRAMS}


def living(processes: dict[str, int]) -> list[str]:
    return [name for name, pid in processes.items() if Path(f"/proc/{pid}").exists()]


def test_ctrl_c_ends_every_process_of_the_dashboard_and_no_vm(dashboard: Dashboard, running_guest: LabGuest) -> None:
    guest = running_guest
    dashboard.await_state(dashboard.vm(guest.uuid), "running")
    processes = family(dashboard)
    assert dashboard.stop(signal.SIGINT) == 0
    assert living(processes) == []
    assert dashboard.output.read_text().strip().splitlines()[-1].endswith("keeps running.")
    guest.wait_for_count()
    assert len(guest.boots()) == 1

    dashboard.start()
    dashboard.await_state(dashboard.vm(guest.uuid), "running")


def test_work_alone_leaves_the_processor_to_others_first(dashboard: Dashboard) -> None:
    there = family(dashboard)
    nice = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in there.items()}
    assert nice.pop("worker") > max(nice.values()) == os.getpriority(os.PRIO_PROCESS, 0)
    # Where the kernel shares by session first, that of the session counts.
    sessions = {name: Path(f"/proc/{pid}/autogroup") for name, pid in there.items()}
    if sessions["worker"].exists():
        of_sessions = {name: int(path.read_text().split()[-1]) for name, path in sessions.items()}
        assert of_sessions.pop("worker") > max(of_sessions.values())


def test_a_killed_supervisor_takes_no_vm_along_and_leaves_the_way_free(
    dashboard: Dashboard, running_guest: LabGuest
) -> None:
    guest = running_guest
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    processes = family(dashboard)
    dashboard.stop(signal.SIGKILL)
    guest.wait_for_count()

    dashboard.start()
    assert living(processes) == []
    guest.wait_for_count()
    assert len(guest.boots()) == 1
    dashboard.await_operation(dashboard.ask(vm, "pause"))
    dashboard.await_state(vm, "paused")
    dashboard.await_operation(dashboard.ask(vm, "resume"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_killed_process_is_started_again_and_all_work_goes_on(
    dashboard: Dashboard, guests: Guests, name: str
) -> None:
    eventually(dashboard.is_ready, "ready before", within=30)
    killed = dashboard.pid(name)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: runs_anew(dashboard, name, killed), f"{name} runs again", within=30)
    eventually(dashboard.is_ready, "ready after", within=30)
    # Being ready may be yesterday's word: a VM made now must be seen, and work on it done.
    vm = dashboard.vm(guests.make(f"after-{name}", graphics=None).uuid, within=30)
    dashboard.await_operation(dashboard.ask(vm, "add-screen"))


def runs_anew(dashboard: Dashboard, name: str, killed: int) -> bool:
    try:
        return dashboard.pid(name) != killed
    except (AssertionError, FileNotFoundError):
        return False
