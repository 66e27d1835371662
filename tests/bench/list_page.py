"""The page of 50 out of 1,300 VMs: through nginx and uvicorn as browsers ask, and in-process; raw libvirt beside it."""

from __future__ import annotations

import json
import subprocess
import time
from http.client import HTTPConnection
from statistics import median

from tests.bench.figures import Figure, ms, percentile
from tests.bench.floor import goal_of_list, list_and_stats
from tests.bench.processes import ROOT, cpu_seconds, module
from tests.bench.stage import MANY, Stage, raw
from tests.lab.web import Browser

ROUNDS = 60
QUERIES = 12
PATHS = {"list": "/vms/", "search": "/vms/?q=bench-07&sort=-state", "last page": f"/vms/?page={MANY // 50}"}


def visit(connection: HTTPConnection, path: str, cookies: str) -> tuple[float, int]:
    """Seconds until the whole page is there, and its compressed size."""
    began = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": cookies, "Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, f"{path}: {answer.status}"
    return time.perf_counter() - began, len(body)


def measure(stage: Stage) -> list[Figure]:
    dashboard = stage.full_dashboard
    browser = Browser(dashboard)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.jar)
    connection, host = HTTPConnection("127.0.0.1", dashboard.port, timeout=20), raw(stage.full_host)
    times: dict[str, list[float]] = {name: [] for name in PATHS}
    floors, size = [], 0
    for turn in range(ROUNDS + 10):
        for name, path in PATHS.items():
            seconds, length = visit(connection, path, cookies)
            if turn >= 10:
                times[name].append(seconds)
            size = length if name == "list" else size
        if turn >= 10:
            floors.append(list_and_stats(host))
    host.close()
    used = cpu_seconds(dashboard.pid("web"))
    for _ in range(ROUNDS):
        visit(connection, PATHS["list"], cookies)
    used = (cpu_seconds(dashboard.pid("web")) - used) / ROUNDS
    connection.close()
    done = subprocess.run(
        module("tests.bench.list_in_process"),
        cwd=ROOT,
        env=dashboard.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    inside = json.loads(done.stdout)
    typical, goal = median(times["list"]), goal_of_list(median(floors))
    return [
        Figure(
            f"VM list, page of 50 out of {MANY:,}: server time through nginx and uvicorn",
            f"median {ms(typical)}, fastest tenth {ms(percentile(times['list'], 0.1))}, "
            f"p95 {ms(percentile(times['list'], 0.95))}; a search {ms(median(times['search']))}, "
            f"the last page {ms(median(times['last page']))}; {size / 1000:.1f} kB",
            f"at most {ms(goal)}, a hundredth of WebVirtCloud's where raw libvirt takes as long as below",
            typical <= goal,
        ),
        Figure("the same: processor time of the web process", f"{ms(used)} a page"),
        Figure("the same without nginx and uvicorn (Django's test client)", f"median {ms(inside['seconds'])}"),
        Figure("the same: SQL queries", str(inside["queries"]), f"pinned: {QUERIES}", inside["queries"] == QUERIES),
        Figure(f"beside it, raw libvirt: list and bulk statistics of {MANY:,}", f"median {ms(median(floors))}"),
    ]
