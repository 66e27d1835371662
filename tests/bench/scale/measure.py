"""What stays quick, and what it costs, with ten times as many VMs and three hundred pages open."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from statistics import median
from typing import Any
from uuid import UUID

import libvirt

from tests.bench.event_to_page import WATCH, sign_in
from tests.bench.figures import Figure, ms, percentile
from tests.bench.floor import lists_stats_and_documents
from tests.bench.list_page import visit
from tests.bench.processes import ROOT, cpu_seconds, module, proportional_kib, running
from tests.bench.scale.crowd import Console, Crowd, Page
from tests.bench.stage import FEW_HOSTS, HOSTS, Stage
from tests.lab.fleet import Fleet
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard
from tests.lab.web import Browser
from vms.demo import fleet as demo

ROUNDS = 30
PATHS = {
    "list": "/vms/",
    "last page": "/vms/?page=999",
    "a search that finds few": "/vms/?q=web-01",
    "a search that finds a tenth": "/vms/?q=ber",
    "a state": "/vms/?state=paused",
}
RATIO = 1.5
RESYNC = 60.0
WRITE = 0.010
RATE = 200
SAMPLES = 30
EVENT = 0.150
PAGES, CONSOLES, SCREENS = 300, 200, 8
# A running VM of the first host that stands on the first page of the list.
FIRST = 40
PROCESSES = ("web", "watcher", "worker", "console", "redis", "front")


def measure(stage: Stage) -> list[Figure]:
    large, small = stage.fleet_dashboard, stage.few_dashboard
    figures = [lists(large, small)]
    small.stop()
    figures += idle(large)
    figures += resync(stage.fleet, large)
    figures += events(stage, large)
    figures += crowd(stage, large)
    return figures


def lists(large: Dashboard, small: Dashboard) -> Figure:
    """Pages of both dashboards in turns."""
    visitors = [(HTTPConnection("127.0.0.1", each.port, timeout=30), cookies(each)) for each in (large, small)]
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in PATHS}
    for turn in range(ROUNDS + 5):
        for name, path in PATHS.items():
            for at in (0, 1) if turn % 2 else (1, 0):
                connection, cookie = visitors[at]
                seconds, _ = visit(connection, path, cookie)
                if turn >= 5:
                    times[name][at].append(seconds)
    for connection, _ in visitors:
        connection.close()
    ratios = {name: median(many) / median(few) for name, (many, few) in times.items()}
    said = "; ".join(
        f"{name} {ms(median(many))} and {ms(median(few))}, ratio {ratios[name]:.2f}"
        for name, (many, few) in times.items()
    )
    return Figure(
        f"list of VMs with {large_vms():,} on {HOSTS} hosts, and with {FEW_HOSTS * 100:,} on {FEW_HOSTS}",
        said,
        f"ratio at most {RATIO}",
        max(ratios.values()) <= RATIO,
    )


def large_vms() -> int:
    return HOSTS * 100


def cookies(dashboard: Dashboard) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in Browser(dashboard).jar)


def idle(dashboard: Dashboard) -> list[Figure]:
    """What the processes need while nothing happens."""
    used = usage(dashboard, 15)
    return [
        Figure(
            f"{HOSTS} hosts with {large_vms():,} VMs, nothing happens",
            "; ".join(f"{name} {share:.1f} % of a core, {kib / 1024:,.0f} MB" for name, (share, kib) in used.items()),
        )
    ]


def usage(dashboard: Dashboard, seconds: float) -> dict[str, tuple[float, int]]:
    """{process: (percent of a core over these seconds, KiB)}."""
    pids = {name: dashboard.pid(name) for name in PROCESSES}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    return {
        name: ((cpu_seconds(pid) - before[name]) / seconds * 100, proportional_kib(pid)) for name, pid in pids.items()
    }


@contextmanager
def neighbour(dashboard: Dashboard) -> Iterator[list[list[float]]]:
    """Fills the list with how long each write of another process took meanwhile, and each to a database of its own."""
    took: list[list[float]] = []
    command = module("tests.bench.scale.neighbour")
    with running(*command, environment=dashboard.environment, talks=True) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        yield took
        process.stdin.close()
        took += json.loads(process.stdout.readline())


def resync(fleet: Fleet, dashboard: Dashboard) -> list[Figure]:
    """Kill the watcher, change a VM on each host, and wait until all is read and that is shown."""
    connections = [fleet.connect(host) for host in range(HOSTS)]
    floor = sum(map(lists_stats_and_documents, connections))
    with neighbour(dashboard) as at_rest:
        time.sleep(5)
    # The last of each host that runs.
    changed = [
        next(demo.identity(number) for number in reversed(range(host * 100, host * 100 + 100)) if runs(number))
        for host in range(HOSTS)
    ]
    marks = ", ".join("?" * HOSTS)
    paused = f"select count(*) from vms_placement where state = 'paused' and uuid in ({marks})"
    with neighbour(dashboard) as meanwhile:
        watcher = dashboard.pid("watcher")
        os.kill(watcher, signal.SIGKILL)
        began = time.monotonic()
        for connection, identity in zip(connections, changed, strict=True):
            connection.lookupByUUIDString(identity).suspend()
        used = 0.0
        eventually(lambda: [pid for pid in dashboard.pids("watcher") if pid != watcher], "the next watcher")
        newcomer = dashboard.pid("watcher")
        values = [identity.replace("-", "") for identity in changed]
        eventually(lambda: dashboard.query(paused, *values) == [(HOSTS,)], "all is read", within=300, every=0.25)
        seconds, used = time.monotonic() - began, cpu_seconds(newcomer)
        time.sleep(2)
    for connection, identity in zip(connections, changed, strict=True):
        connection.lookupByUUIDString(identity).resume()
        connection.close()
    [rest, _], [load, alone] = ([percentile(each, 0.99) for each in several] for several in (at_rest, meanwhile))
    return [
        Figure(
            f"watcher killed: until all {HOSTS} hosts are read and what changed meanwhile is shown",
            f"{seconds:.1f} s, of which {used:.1f} s of processor; raw libvirt, host after host, {floor:.1f} s",
            f"under {RESYNC:.0f} s",
            seconds < RESYNC,
        ),
        Figure(
            "meanwhile a write of another process (SQLite), a hundred a second",
            f"p50 {ms(median(meanwhile[0]))}, p99 {ms(load)}, longest {ms(max(meanwhile[0]))}; to a database that "
            f"nobody else uses p99 {ms(alone)}, longest {ms(max(meanwhile[1]))}; at rest p50 {ms(median(at_rest[0]))}, "
            f"p99 {ms(rest)}, longest {ms(max(at_rest[0]))}",
            f"p99 at most {ms(WRITE)}",
            load <= WRITE,
        ),
    ]


def runs(number: int) -> bool:
    return demo.state(number) == "running"


@contextmanager
def noise(fleet: Fleet, hosts: range) -> Iterator[list[float]]:
    """So many changes a second on these hosts; fills the list with the rate that it was."""
    sockets = [fleet.socket(host) for host in hosts]
    rate: list[float] = []
    with running(*module("tests.bench.scale.noise", str(RATE), *sockets), talks=True) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        yield rate
        process.stdin.close()
        changes, seconds = process.stdout.readline().split()
        rate.append(int(changes) / float(seconds))


def events(stage: Stage, dashboard: Dashboard) -> list[Figure]:
    """A VM of the first host in the open list and on its own page, at rest and while the other hosts are noisy."""
    domain = stage.fleet.connect(0).lookupByUUIDString(demo.identity(FIRST))
    vm = dashboard.vm(demo.identity(FIRST))
    context = stage.chromium.new_context()
    page = context.new_page()
    sign_in(page, dashboard.url, dashboard.password)
    figures = []
    for words, path, selector in (
        ("list", "/vms/", f"#vm-{vm} .state [data-glow]"),
        ("VM page", f"/vms/{vm}/", "#vm-header .sub .state"),
    ):
        at_rest = samples(page, domain, dashboard.url + path, selector)
        with noise(stage.fleet, range(1, HOSTS)) as rate:
            time.sleep(3)
            before = cpu_seconds(dashboard.pid("watcher"))
            began = time.monotonic()
            in_noise = samples(page, domain, dashboard.url + path, selector)
            share = (cpu_seconds(dashboard.pid("watcher")) - before) / (time.monotonic() - began)
        late = percentile(in_noise, 0.95)
        figures.append(
            Figure(
                f"outside change to badge in an open {words}, {HOSTS} hosts, {rate[0]:.0f} changes a second elsewhere",
                f"p50 {ms(median(in_noise))}, p95 {ms(late)}; at rest p50 {ms(median(at_rest))}, p95 "
                f"{ms(percentile(at_rest, 0.95))}; the watcher meanwhile {100 * share:.0f} % of a core",
                f"p95 at most {ms(EVENT)}",
                late <= EVENT,
            )
        )
        time.sleep(3)
    context.close()
    return figures


def samples(page: Any, domain: libvirt.virDomain, url: str, selector: str) -> list[float]:
    """Seconds from the call that changes the VM to the changed text; slower than what is budgeted for one VM."""
    page.goto(url)
    page.wait_for_selector("html[data-hears]", state="attached")
    page.wait_for_selector(selector)
    time.sleep(1)
    page.evaluate(WATCH, selector)
    times = []
    for turn in range(SAMPLES):
        time.sleep(random.uniform(0.7, 1.1))
        began = time.time()
        domain.resume() if turn % 2 else domain.suspend()
        eventually(lambda turn=turn: page.evaluate("seen.length") > turn, "the badge changes", within=20, every=0.05)  # type: ignore[misc]
        times.append(page.evaluate("seen")[turn][1] - began)
    return times


@dataclass(frozen=True)
class Weight:
    """Megabytes of each process."""

    of: dict[str, float]

    @classmethod
    def now(cls, dashboard: Dashboard) -> Weight:
        return cls({name: proportional_kib(dashboard.pid(name)) / 1024 for name in PROCESSES})

    def more(self, before: Weight, each: int, *names: str) -> str:
        """What each of so many has added, in kB."""
        return ", ".join(f"{name} {1024 * (self.of[name] - before.of[name]) / each:,.0f} kB" for name in names)

    def __str__(self) -> str:
        return ", ".join(f"{name} {megabytes:,.0f}" for name, megabytes in self.of.items())


def crowd(stage: Stage, dashboard: Dashboard) -> list[Figure]:
    """Pages and consoles of thirty people; QEMU shows one screen to 32 at most."""
    guests = [stage.guests.make(f"watched-{number}", start=True) for number in range(SCREENS)]
    stage.add_host(dashboard, stage.small_host)
    screens = [dashboard.vm(guest.uuid) for guest in guests]
    for screen in screens:
        dashboard.await_state(screen, "running")
    people = json.loads(
        subprocess.run(
            module("tests.bench.scale.people", "30", "10"), cwd=ROOT, env=dashboard.environment, capture_output=True,
            text=True, check=True,
        ).stdout
    )  # fmt: skip
    tokens = [token for token, *_ in people]
    sessions = [session for _, *several in people for session in several]
    before = Weight.now(dashboard)
    with closing(Crowd()) as here:
        pages = [make_page(dashboard, number, session) for number, session in enumerate(sessions)]
        here.open(pages)
        time.sleep(3)
        with_pages = Weight.now(dashboard)
        quiet = usage(dashboard, 10)
        told = changes_to_pages(stage.fleet, dashboard, pages)
        here.open([make_console(dashboard, tokens[number // 10], screens, number) for number in range(CONSOLES)])
        time.sleep(3)
        with_all = Weight.now(dashboard)
        all_open = usage(dashboard, 10)
        began = time.perf_counter()
        dashboard.get("/vms?page_size=1")
        answer = time.perf_counter() - began
        open_now = dashboard.query("select count(*) from vms_console where opened_at not null and closed_at is null")
        assert open_now == [(CONSOLES,)], open_now
    for guest in guests:
        guest.remove()
    late = percentile(told, 0.95)
    return [
        Figure(
            f"{PAGES} open pages of 30 people: memory",
            f"a page {with_pages.more(before, PAGES, 'web', 'front', 'redis')}; MB in all: {with_pages}",
        ),
        Figure(
            "the same: processor while nothing happens",
            ", ".join(f"{name} {quiet[name][0]:.1f} %" for name in ("web", "front", "redis")) + " of a core",
        ),
        Figure(
            "the same: outside change to the renewed fragment in the page that shows it",
            f"p50 {ms(median(told))}, p95 {ms(late)}",
            f"p95 at most {ms(EVENT)}",
            late <= EVENT,
        ),
        Figure(
            f"and {CONSOLES} open consoles of {SCREENS} real screens: memory",
            f"a console {with_all.more(with_pages, CONSOLES, 'console', 'front')}; MB in all: {with_all}",
        ),
        Figure(
            "the same: processor while nothing is typed",
            ", ".join(f"{name} {all_open[name][0]:.1f} %" for name in ("web", "console", "front", "redis"))
            + f" of a core; an API list meanwhile {ms(answer)}",
        ),
    ]


def make_page(dashboard: Dashboard, number: int, session: str) -> Page:
    """Every second one a list of fifty, else a VM's page."""
    first = 1 + number * 30
    ids = range(first, first + 50) if number % 2 else [first]
    fragment = f"/vms/rows?ids={','.join(map(str, ids))}" if number % 2 else f"/vms/{first}/header"
    return Page(dashboard.port, session, fragment, [f"vm:{pk}" for pk in ids])


def make_console(dashboard: Dashboard, token: str, screens: list[int], number: int) -> Console:
    """From one of a few addresses, as people do: the front has a limit for each."""
    screen = screens[number % len(screens)]

    def ask() -> str:
        wish = {"kind": "vnc", "mode": "view"}
        asked = dashboard.request("POST", f"/api/v1/vms/{screen}/console", wish, Authorization=f"Bearer {token}")
        assert asked.status == 200, asked
        return str(asked.body["url"])

    return Console(dashboard.port, ask, f"127.0.0.{2 + number % 4}")


def changes_to_pages(fleet: Fleet, dashboard: Dashboard, pages: list[Page]) -> list[float]:
    """Seconds from a change of a VM to the end of the fetch that it causes in its page."""
    numbers = {demo.identity(number): number for number in range(HOSTS * 100)}
    took: list[float] = []
    for page in pages[::2]:
        name = next(iter(page.shows - {"*"}))
        [(found,)] = dashboard.query("select uuid from vms_placement where vm_id = ?", int(name.partition(":")[2]))
        identity = str(UUID(found))
        if not runs(numbers[identity]):
            continue
        domain = fleet.connect(numbers[identity] // 100).lookupByUUIDString(identity)
        seen, began = len(page.renewed), time.time()
        domain.suspend()
        eventually(lambda page=page, seen=seen: len(page.renewed) > seen, "the page is renewed", every=0.01)  # type: ignore[misc]
        took.append(page.renewed[seen] - began)
        domain.resume()
        time.sleep(0.3)
        if len(took) == SAMPLES:
            break
    return took
