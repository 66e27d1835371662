"""Fifty screens at once, and what a start costs meanwhile. The guests stand still before their firmware: they have a
screen on which something is written, and take no processor from what is measured."""

from __future__ import annotations

import json
import threading
import time
from http.client import HTTPConnection
from statistics import median
from typing import Any

import libvirt
from lxml import etree

from tests.bench.click_to_running import Clicker, observer
from tests.bench.figures import Figure, ms
from tests.bench.stage import Stage
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard
from tests.lab.web import Browser
from vms.live import PICTURE_SECONDS

MANY = 50
TIMES = 3
TURNS = 8
GOAL = 2.0
SLOWER = 1.1


class Viewer:
    """A page with all of them in view."""

    def __init__(self, dashboard: Dashboard, vms: list[int]) -> None:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in Browser(dashboard).jar)
        self.headers = {"Cookie": cookies, "X-Kvmweb-Refresh": "1"}
        self.connection = HTTPConnection("127.0.0.1", dashboard.port, timeout=20)
        self.vms = vms

    def get(self, path: str) -> bytes:
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status)
        return body

    def versions(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.get(f"/vms/screens?ids={','.join(map(str, self.vms))}"))
        return told

    def see_all(self) -> tuple[float, int]:
        """Seconds until each picture is here, and their bytes."""
        began = time.perf_counter()
        missing, size = set(self.vms), 0
        while missing:
            there = {int(vm) for vm, (version, _) in self.versions().items() if version} & missing
            size += sum(len(self.get(f"/api/v1/vms/{vm}/screenshot")) for vm in there)
            missing -= there
            if not there:
                time.sleep(0.05)
        return time.perf_counter() - began, size


def measure(stage: Stage) -> list[Figure]:
    dashboard = stage.small_dashboard
    uuids = [still(stage, number) for number in range(MANY)]
    vms = [dashboard.vm(uuid) for uuid in uuids]
    for vm in vms:
        dashboard.await_state(vm, "paused")
    viewer = Viewer(dashboard, vms)
    seen = []
    for _ in range(TIMES):
        seen.append(viewer.see_all())
        # What was asked for last is taken a moment later.
        time.sleep(PICTURE_SECONDS + 5)
    alone, beside = starts(stage, dashboard, viewer)
    longest, size = max(seconds for seconds, _ in seen), seen[0][1]
    share = median(beside) / median(alone)
    return [
        Figure(
            f"{MANY} screens of which none was taken, until the last is here ({size // MANY / 1000:.1f} KB each)",
            f"median {ms(median(seconds for seconds, _ in seen))}, longest {ms(longest)} of {TIMES}",
            f"under {GOAL:.0f} s",
            median(seconds for seconds, _ in seen) < GOAL,
        ),
        Figure(
            f"a start on the same host while somebody looks at {MANY} screens, {TURNS} turns with and without",
            f"median {ms(median(beside))} to {ms(median(alone))}: {share:.2f}",
            f"at most {SLOWER}",
            share <= SLOWER,
        ),
    ]


def still(stage: Stage, number: int) -> str:
    """A guest that does not run on; its UUID."""
    guest = stage.guests.make(f"still-{number:02}")
    root = etree.fromstring(guest.domain.XMLDesc(0))
    for name in ("memory", "currentMemory"):
        element = root.find(name)
        assert element is not None
        element.text = str(32 << 10)
    guest.host.connect().defineXML(etree.tostring(root, encoding="unicode"))
    guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    return guest.uuid


def starts(stage: Stage, dashboard: Dashboard, viewer: Viewer) -> tuple[list[float], list[float]]:
    """Seconds of starts in turns: alone, and while the page asks as it does, with all pictures fetched again."""
    guest = stage.guests.make("started-beside")
    vm = dashboard.vm(guest.uuid)
    clicker = Clicker(dashboard, vm)
    looks, ends = threading.Event(), threading.Event()

    def look() -> None:
        while not ends.is_set():
            if looks.wait(0.2):
                viewer.see_all()
                time.sleep(2)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    taken: dict[bool, list[float]] = {False: [], True: []}
    with observer(stage.small_host, guest.name) as seen:
        for turn in range(2 * TURNS):
            beside = bool(turn % 2)
            looks.set() if beside else looks.clear()
            time.sleep(2.5)
            began = time.perf_counter()
            clicker.press()
            taken[beside].append(seen.wait() - began)
            dashboard.await_state(vm, "running")
            guest.domain.destroy()
            dashboard.await_state(vm, "shut_off")
            eventually(lambda: not dashboard.query("select 1 from vms_operationlock"), "no lock is left")
    ends.set()
    thread.join(10)
    return taken[False], taken[True]
