"""Two people press Start in the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.lab.guests import Guests
from tests.lab.machine import LabHost
from tests.lab.stack import Answer, Dashboard
from tests.lab.test_kills import starts

TIMES = 20


def test_one_is_accepted_one_is_refused_and_it_boots_once(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost
) -> None:
    guest = guests.make("pressed-twice")
    vm = dashboard.vm(guest.uuid)
    barrier = Barrier(2)

    def press(_: int) -> Answer:
        barrier.wait()
        return dashboard.post(f"/vms/{vm}/start")

    with ThreadPoolExecutor(2) as people:
        for time in range(1, TIMES + 1):
            answers = sorted(people.map(press, range(2)), key=lambda answer: answer.status)
            assert [answer.status for answer in answers] == [202, 409]
            [accepted, refused] = [answer.body for answer in answers]
            started = accepted["operation"]["id"]
            if refused["code"] == "locked":
                assert refused["blocking_operation"]["id"] == started
            else:
                assert refused["code"] == "wrong_state"
            dashboard.await_operation(started)
            assert starts(lab_host, guest.name) == time
            if time < TIMES:
                dashboard.await_operation(dashboard.ask(vm, "force-off"))
    guest.wait_for_boot()
