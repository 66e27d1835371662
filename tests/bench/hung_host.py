"""Pages, sign-in and starts on one host, in turns with and without another host whose libvirtd stands still."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.client import HTTPConnection
from statistics import median

from tests.bench.click_to_running import Clicker, observer
from tests.bench.figures import Figure, ms
from tests.bench.list_page import visit
from tests.bench.stage import Stage
from tests.lab.machine import eventually
from tests.lab.test_kills import held
from tests.lab.web import Browser

TURNS = 4
PAGES = 5
GOAL = 1.1


def measure(stage: Stage) -> list[Figure]:
    guest = stage.guests.make("beside-a-hung-one")
    dashboard, other = stage.small_dashboard, stage.host("hung")
    hung = stage.add_host(dashboard, other)
    vm = dashboard.vm(guest.uuid)
    clicker, browser = Clicker(dashboard, vm), Browser(dashboard)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.jar)
    connection = HTTPConnection("127.0.0.1", dashboard.port, timeout=20)
    with observer(stage.small_host, guest.name) as seen:

        def page() -> float:
            return median(
                visit(connection, path, cookies)[0] for _ in range(PAGES) for path in ("/vms/", "/", f"/hosts/{hung}/")
            )

        def sign_in() -> float:
            began = time.perf_counter()
            Browser(dashboard)
            return time.perf_counter() - began

        def start() -> float:
            began = time.perf_counter()
            clicker.press()
            seconds = seen.wait() - began
            dashboard.await_state(vm, "running")
            guest.domain.destroy()
            dashboard.await_state(vm, "shut_off")
            eventually(lambda: not dashboard.query("select 1 from vms_operationlock"), "no lock is left")
            return seconds

        probes: dict[str, Callable[[], float]] = {
            "pages (list, overview, the hung host's own)": page,
            "a sign-in": sign_in,
            "a start on another host": start,
        }
        times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in probes}

        def take(at: int) -> None:
            for name, probe in probes.items():
                found = [probe(), probe()]
                times[name][at].extend(found)

        def answers() -> bool:
            return bool(dashboard.get(f"/hosts/{hung}")["answering"])

        eventually(answers, "the other host is heard")
        take(0)  # warms up
        for several in times.values():
            several[0].clear()
        for _ in range(TURNS):
            take(0)
            with held(other):
                take(1)
            eventually(answers, "the other host is heard again", within=60)
    connection.close()
    dashboard.request("DELETE", f"/api/v1/hosts/{hung}")
    guest.remove()
    ratios = {name: median(beside) / median(alone) for name, (alone, beside) in times.items()}
    said = "; ".join(
        f"{name} {ms(median(beside))} and {ms(median(alone))} without, ratio {ratios[name]:.2f}"
        for name, (alone, beside) in times.items()
    )
    return [
        Figure(
            "beside a host that hangs (SIGSTOP)", said, f"ratio at most {GOAL}", max(ratios.values()) <= GOAL
        )
    ]  # fmt: skip
