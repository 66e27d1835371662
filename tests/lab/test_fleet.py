"""A hundred hosts with 10,000 VMs, shared by two watchers: what is shown is what is, whoever dies and comes back."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.lab.fleet import Fleet
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from vms.demo import fleet as demo

pytestmark = pytest.mark.long

HOSTS = 100
ALL = range(HOSTS)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    made = Fleet(HOSTS)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shown(lab_host: LabHost, fleet: Fleet) -> Iterator[Dashboard]:
    made = Dashboard(lab_host, KVMWEB_PROCESSES="watcher=2")
    made.prepare()
    fleet.add_to(made, ALL)
    made.start()
    yield made
    made.remove()


def states(dashboard: Dashboard) -> dict[str, str]:
    """{uuid: state} of what is shown as present."""
    rows = dashboard.query("select uuid, state from vms_placement where present")
    return {str(UUID(identity)): state for identity, state in rows}


def silent(dashboard: Dashboard) -> set[str]:
    return {name for (name,) in dashboard.query("select name from vms_host where error_code != '' or heard_at is null")}


def await_truth(dashboard: Dashboard, fleet: Fleet) -> None:
    """All is shown as libvirt has it, each VM once, and every host answers."""
    eventually(lambda: not silent(dashboard), "all hosts are heard", within=240, every=1)
    truth = {identity: state for host in ALL for identity, state in fleet.states(host).items()}
    assert len(truth) == HOSTS * 100

    def differ() -> list[str]:
        found = states(dashboard)
        return [identity for identity in truth.keys() | found.keys() if truth.get(identity) != found.get(identity)]

    eventually(lambda: not differ(), f"all is shown as it is; not {differ()[:3]}", within=240, every=1)
    assert len(set(stored(dashboard).values())) == HOSTS * 100


def stored(dashboard: Dashboard) -> dict[str, int]:
    """{uuid: VM} of all that was ever shown, but for libvirt's own example, which is there while a fleet is made."""
    return dict(dashboard.query("select uuid, vm_id from vms_placement where name != 'test'"))


def test_all_are_shown_as_they_are_by_two_watchers(shown: Dashboard, fleet: Fleet) -> None:
    await_truth(shown, fleet)
    assert states(shown) == fleet.expected(ALL)

    def shares() -> list[int]:
        return sorted(Counter(watcher for (watcher,) in shown.query("select watcher from vms_lease")).values())

    eventually(lambda: shares() == [HOSTS // 2, HOSTS // 2], "each watches a half", within=120, every=1)


def pause_one(fleet: Fleet, host: int) -> str:
    """A running VM of the host, paused from outside."""
    connection = fleet.connect(host)
    identity = next(identity for identity, state in fleet.states(host).items() if state == "running")
    connection.lookupByUUIDString(identity).suspend()
    connection.close()
    return identity


def test_after_both_watchers_died_all_is_shown_that_changed_meanwhile(shown: Dashboard, fleet: Fleet) -> None:
    await_truth(shown, fleet)
    for pid in shown.pids("watcher"):
        os.kill(pid, signal.SIGKILL)
    for host in ALL:
        pause_one(fleet, host)
    await_truth(shown, fleet)


def test_hosts_that_hang_are_silent_and_the_others_go_on(shown: Dashboard, fleet: Fleet) -> None:
    await_truth(shown, fleet)
    before, hung = states(shown), range(20)
    with fleet.hung(hung):
        names = {fleet.names[host] for host in hung}
        eventually(lambda: silent(shown) == names, "those twenty are silent and no other", within=120, every=1)
        seen = pause_one(fleet, 50)
        eventually(lambda: states(shown)[seen] == "paused", "another host's change is shown", within=60)
        of_hung = fleet.expected(hung).keys()
        now = states(shown)
        assert {identity: now[identity] for identity in of_hung} == {identity: before[identity] for identity in of_hung}
    await_truth(shown, fleet)


def test_hosts_that_crash_come_back_with_the_same_vms(shown: Dashboard, fleet: Fleet) -> None:
    await_truth(shown, fleet)
    rows = stored(shown)
    for host in range(20, 40):
        pause_one(fleet, host)
        fleet.crash(host)
    eventually(lambda: fleet.began_anew(range(20, 40)), "their VMs are made anew", within=240, every=1)
    await_truth(shown, fleet)
    assert stored(shown) == rows
    assert {demo.identity(number) for number in range(2000, 4000)} <= states(shown).keys()
