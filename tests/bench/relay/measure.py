"""One stream, ten bytes there and back, and fifty idle consoles; both relays in turn, several times."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from kvmweb.environment import REDIS_PROGRAM
from tests.bench.figures import Figure
from tests.bench.processes import ROOT, cpu_seconds, family, module, proportional_kib, running
from tests.bench.relay.client import HELLO, REQUEST, Browser, drain
from tests.bench.stage import Stage
from tests.lab.machine import eventually

TURNS = 24
SECONDS = 0.4
COST_SECONDS = 4.0
EXCHANGES = 150
CONSOLES = 50
GOAL_KIB = 512


@dataclass(frozen=True)
class Contender:
    """A relay: how to open a console to a screen, and the process to weigh."""

    name: str
    connect: Callable[[str], Browser]
    pids: tuple[int, ...]


@contextmanager
def ours(folder: Path) -> Iterator[Contender]:
    """`manage.py relay` with a state folder of its own; a second process gives out the tickets."""
    state = folder / "state"
    environment = {**os.environ, "KVMWEB_STATE_DIR": str(state)}
    subprocess.run(
        (sys.executable, "manage.py", "setup"), cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=True
    )
    redis = ("redis-server", "--port", "0", "--unixsocket", str(state / "run/redis.sock"), "--save", "")
    with (
        running(*redis, executable=REDIS_PROGRAM),
        running(*module("tests.bench.relay.tickets"), environment=environment, talks=True) as tickets,
        running(*module("tests.bench.relay.ours", folder), environment=environment) as relay,
    ):
        door = state / "run/console.sock"
        eventually(door.exists, "our relay listens")

        def connect(screen: str) -> Browser:
            assert tickets.stdin and tickets.stdout
            print(screen, file=tickets.stdin, flush=True)
            path, cookie = tickets.stdout.readline().split()
            return Browser(door, path, cookie)

        yield Contender("kvmweb", connect, (relay.pid,))


@contextmanager
def stock(folder: Path) -> Iterator[Contender]:
    """`python -m websockify`, one process a screen, since each has one target."""
    with ExitStack() as stack:
        started = {}
        for screen in ("stream", "echo"):
            door, target = folder / f"stock-{screen}.sock", folder / f"{screen}.sock"
            command = module("websockify", f"--unix-listen={door}", f"--unix-target={target}")
            started[screen] = stack.enter_context(running(*command))
            eventually(door.exists, "websockify listens")
        yield Contender(
            "websockify",
            lambda screen: Browser(folder / f"stock-{screen}.sock"),
            (started["echo"].pid, started["stream"].pid),
        )


@contextmanager
def apart(relays: list[int], screens: int) -> Iterator[None]:
    """Relays on one core, screens and browsers on another: else the scheduler's whim is most of a round trip."""
    allowed = os.sched_getaffinity(0)
    first, second = min(allowed), max(allowed)
    for pid in relays:
        pin(pid, {second})
    for pid in (screens, os.getpid()):
        pin(pid, {first})
    yield
    for pid in (*relays, screens, os.getpid()):
        pin(pid, allowed)


def pin(pid: int, cores: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        # One that has ended since needs none.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


def in_turn(both: tuple[Contender, Contender], screen: str, probe: Callable[[Browser], float]) -> list[list[float]]:
    """What each of the two gives, in short turns, so that both meet the same moods of the machine.

    Each turn has a console of its own: websockify reads a screen without end for a browser that does not read.
    """
    found: list[list[float]] = [[], []]
    for turn in range(TURNS):
        # Whoever goes first in one turn goes second in the next.
        for at in (0, 1) if turn % 2 else (1, 0):
            browser = both[at].connect(screen)
            try:
                found[at].append(probe(browser))
            finally:
                browser.close()
    return found


def rate(browser: Browser) -> float:
    drain(browser.socket, 0.1)
    return drain(browser.socket, SECONDS)


def cost(contender: Contender) -> float:
    """Processor seconds of the relay for a gigabyte; unlike the rate it does not depend on who else is at work."""

    def used() -> float:
        return sum(cpu_seconds(member) for pid in contender.pids for member in family(pid))

    browser = contender.connect("stream")
    try:
        drain(browser.socket, SECONDS)
        before = used()
        gigabytes = drain(browser.socket, COST_SECONDS) * COST_SECONDS / 1e9
        return (used() - before) / gigabytes
    finally:
        browser.close()


def round_trip(browser: Browser) -> float:
    browser.exchange(HELLO)
    for _ in range(20):
        browser.exchange(REQUEST)
    return median(browser.exchange(REQUEST) for _ in range(EXCHANGES))


def direct(folder: Path) -> tuple[float, float]:
    """Throughput and round trip without any relay."""
    with socket.socket(socket.AF_UNIX) as screen:
        screen.connect(str(folder / "stream.sock"))
        rate = drain(screen, SECONDS)
    with socket.socket(socket.AF_UNIX) as screen:
        screen.connect(str(folder / "echo.sock"))
        times = []
        for _ in range(EXCHANGES):
            began = time.perf_counter()
            screen.sendall(REQUEST)
            screen.recv(100)
            times.append(time.perf_counter() - began)
    return rate, median(times)


def memory_kib(contender: Contender) -> float:
    """What one of fifty consoles adds, each of which has shown something."""
    contender.connect("echo").close()
    time.sleep(1)
    before = sum(proportional_kib(pid) for pid in contender.pids)
    browsers = [contender.connect("echo") for _ in range(CONSOLES)]
    for browser in browsers:
        browser.exchange(HELLO)
        for _ in range(100):
            browser.exchange(REQUEST)
    time.sleep(1)
    after = sum(proportional_kib(pid) for pid in contender.pids)
    for browser in browsers:
        browser.close()
    return (after - before) / CONSOLES


def measure(stage: Stage) -> list[Figure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kvmweb-bench-")))
        screens = stack.enter_context(running(*module("tests.bench.relay.screens", folder)))
        eventually((folder / "echo.sock").exists, "the screens listen")
        both = (stack.enter_context(ours(folder)), stack.enter_context(stock(folder)))
        rates = in_turn(both, "stream", rate)
        costs = [cost(contender) for contender in both]
        with apart([pid for contender in both for pid in contender.pids], screens.pid):
            trips = in_turn(both, "echo", round_trip)
        memory = {contender.name: memory_kib(contender) for contender in both}
        floor_rate, floor_trip = direct(folder)
    ratio = median(ours / theirs for ours, theirs in zip(*rates, strict=True))
    trip = median(theirs / ours for ours, theirs in zip(*trips, strict=True))
    return [
        Figure(
            "relay: one stream",
            f"{median(rates[0]) / 1e6:,.0f} MB/s; websockify {median(rates[1]) / 1e6:,.0f}; "
            f"without relay {floor_rate / 1e6:,.0f}; ratio {ratio:.2f}",
            "ratio at least 1.0",
            ratio >= 1,
        ),
        Figure(
            "relay: processor time of one stream",
            f"{1000 * costs[0]:.0f} ms a GB; websockify {1000 * costs[1]:.0f} ms; ratio {costs[1] / costs[0]:.2f}",
        ),
        Figure(
            "relay: 10 bytes there and back",
            f"{1e6 * median(trips[0]):.0f} us; websockify {1e6 * median(trips[1]):.0f}; "
            f"without relay {1e6 * floor_trip:.0f}; ratio {trip:.2f}",
            "ratio at least 1.0",
            trip >= 1,
        ),
        Figure(
            f"relay: memory a console, {CONSOLES} open",
            f"{memory['kvmweb'] / 1024:.2f} MB; websockify {memory['websockify'] / 1024:.2f} MB",
            "at most 0.5 MB",
            memory["kvmweb"] <= GOAL_KIB,
        ),
    ]
