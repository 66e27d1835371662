"""The list of 1,300 VMs while 50 linked clones are made by one request, and while 20 of them start: asked as fast as it
was at rest in the same run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from http.client import HTTPConnection
from statistics import median
from typing import Any

from tests.bench.figures import Figure, ms, percentile
from tests.bench.floor import goal_of_list, list_and_stats
from tests.bench.instance import make_golden
from tests.bench.list_page import visit
from tests.bench.stage import MANY, Stage, raw
from tests.lab.machine import LabHost
from tests.lab.pools import folder_pool
from tests.lab.stack import Dashboard
from tests.lab.web import Browser

CLONES = 50
STARTED = 20
ROUNDS = 60
# Between two questions, at rest as well: a page of its own is no load.
REST = 0.1
ENDED = "select count(*) from vms_operation where id in ({}) and state not in ('queued', 'running', 'waiting')"
SUCCEEDED = "select count(*) from vms_operation where id in ({}) and state = 'succeeded'"


class Reader:
    """Somebody who looks at the list again and again."""

    def __init__(self, dashboard: Dashboard) -> None:
        browser = Browser(dashboard)
        self.cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.jar)
        self.connection = HTTPConnection("127.0.0.1", dashboard.port, timeout=60)

    def read(self, goes_on: Callable[[int], bool]) -> list[float]:
        """How long each answer took, as long as that is true of their number."""
        times: list[float] = []
        while goes_on(len(times)):
            times.append(visit(self.connection, "/vms/", self.cookies)[0])
            time.sleep(REST)
        return times


def ids(operations: list[dict[str, Any]]) -> str:
    return ", ".join(str(each["id"]) for each in operations)


def how_many(dashboard: Dashboard, sql: str, operations: list[dict[str, Any]]) -> int:
    [[number]] = dashboard.query(sql.format(ids(operations)))
    return int(number)


def start(dashboard: Dashboard, vm: int) -> dict[str, Any]:
    """The operation."""
    asked = dashboard.post(f"/vms/{vm}/start")
    assert asked.status == 202, asked
    return dict(asked.body["operation"])


def take_away(host: LabHost) -> None:
    connection = host.connect()
    for domain in connection.listAllDomains():
        if not domain.name().startswith("bench-"):
            if domain.isActive():
                domain.destroy()
            domain.undefine()
    connection.close()


def measure(stage: Stage) -> list[Figure]:
    dashboard, host = stage.full_dashboard, stage.full_host
    reader = Reader(dashboard)
    with folder_pool(host) as pool:
        golden = make_golden(dashboard, pool, stage.guests.files.iso)
        try:
            reader.read(lambda number: number < 10)
            rest, floors, connection = [], [], raw(host)
            for _ in range(ROUNDS):
                rest += reader.read(lambda number: number < 1)
                floors.append(list_and_stats(connection))
            connection.close()
            linked = [{"target": "vda", "how": "linked"}]
            body = {"name": "made-#", "count": CLONES, "disks": linked, "networks": []}
            began = time.perf_counter()
            asked = dashboard.post(f"/vms/{golden}/clone", body)
            assert asked.status == 202, asked
            answered = time.perf_counter() - began
            making = asked.body["operations"]
            during = reader.read(lambda number: how_many(dashboard, ENDED, making) < CLONES)
            took = time.perf_counter() - began
            made = how_many(dashboard, SUCCEEDED, making)
            assert made == CLONES, [dashboard.operation(each["id"])["error"] for each in making]
            for each in making[:STARTED]:
                dashboard.await_state(each["target"]["id"], "shut_off")
            starting = [start(dashboard, each["target"]["id"]) for each in making[:STARTED]]
            starts = reader.read(lambda number: how_many(dashboard, ENDED, starting) < STARTED)
            started = how_many(dashboard, SUCCEEDED, starting)
        finally:
            take_away(host)
    reader.connection.close()
    load, goal = os.getloadavg()[0], goal_of_list(median(floors))
    return [
        Figure(
            f"VM list of {MANY:,} while {CLONES} linked clones are made by one request",
            f"median {ms(median(during))}, p95 {ms(percentile(during, 0.95))}; at rest {ms(median(rest))}, p95 "
            f"{ms(percentile(rest, 0.95))}, raw libvirt {ms(median(floors))}; {made} made in {took:.1f} s, "
            f"the request answered in {ms(answered)}; load {load:.1f}",
            f"all made, list at most {ms(goal)} (a hundredth of WebVirtCloud's)",
            median(during) <= goal,
        ),
        Figure(
            f"the same while {STARTED} of them start",
            f"{started} started; median {ms(median(starts))}, p95 {ms(percentile(starts, 0.95))}"
            if starts
            else f"{started} started before the list was asked for",
            "no failure",
            started == STARTED,
        ),
    ]
