"""From the click on Start to a running QEMU, in turns with `virsh start` of the same VM; both ends seen by libvirt."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from statistics import median

import libvirt

from tests.bench.figures import Figure, ms, percentile
from tests.bench.stage import Stage
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.web import Browser

TURNS = 20
GOAL = 0.100


class Observer:
    """A connection of its own that hears when the domain runs."""

    def __init__(self, connection: libvirt.virConnect, domain: libvirt.virDomain) -> None:
        self.started = threading.Event()
        self.at = 0.0
        connection.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self.hear, None)

    def hear(self, conn: object, domain: object, event: int, detail: int, opaque: object) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            self.at = time.perf_counter()
            self.started.set()

    def wait(self) -> float:
        """When it started."""
        assert self.started.wait(30), "it did not start"
        self.started.clear()
        return self.at


@contextmanager
def observer(host: LabHost, name: str) -> Iterator[Observer]:
    libvirt.virEventRegisterDefaultImpl()
    ends = threading.Event()

    def turn() -> None:
        while not ends.is_set():
            libvirt.virEventRunDefaultImpl()

    thread = threading.Thread(target=turn, daemon=True)
    timer = libvirt.virEventAddTimeout(200, lambda *_: None, None)
    thread.start()
    connection = libvirt.open(host.uri)
    yield Observer(connection, connection.lookupByName(name))
    connection.close()
    ends.set()
    thread.join(5)
    libvirt.virEventRemoveTimeout(timer)


class Clicker:
    """Presses Start as the page does: a form, by a kept connection."""

    def __init__(self, dashboard: Dashboard, vm: int) -> None:
        browser = Browser(dashboard)
        self.path = f"/vms/{vm}/start/"
        self.connection = HTTPConnection("127.0.0.1", dashboard.port, timeout=20)
        self.headers = {
            "Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.jar),
            "X-CSRFToken": browser.cookie("csrf"),
            "Origin": dashboard.url,
            "HX-Request": "true",
            "HX-Target": "#vm-header",
        }

    def press(self) -> None:
        self.connection.request("POST", self.path, headers=self.headers)
        answer = self.connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status


def measure(stage: Stage) -> list[Figure]:
    guest = stage.guests.make("clicked")
    dashboard = stage.small_dashboard
    vm = dashboard.vm(guest.uuid)
    clicker = Clicker(dashboard, vm)
    ours: list[float] = []
    virsh: list[float] = []
    with observer(stage.small_host, "clicked") as seen:

        def settle() -> None:
            """Off again; the dashboard has seen both and has nothing left to do with it."""
            dashboard.await_state(vm, "running")
            guest.domain.destroy()
            dashboard.await_state(vm, "shut_off")
            eventually(lambda: not dashboard.query("select 1 from vms_operationlock"), "no lock is left")
            time.sleep(0.5)

        def click() -> float:
            began = time.perf_counter()
            clicker.press()
            return seen.wait() - began

        def start() -> float:
            began = time.perf_counter()
            with subprocess.Popen(["virsh", "-c", stage.small_host.uri, "start", "clicked"], stdout=subprocess.DEVNULL):
                return seen.wait() - began

        for turn in range(TURNS + 1):
            for times, way in ((ours, click), (virsh, start)) if turn % 2 else ((virsh, start), (ours, click)):
                seconds = way()
                settle()
                # The first turn warms both up.
                if turn:
                    times.append(seconds)
    guest.remove()
    more = median(ours) - median(virsh)
    return [
        Figure(
            "click on Start to running QEMU",
            f"median {ms(median(ours))}, p95 {ms(percentile(ours, 0.95))}; virsh start {ms(median(virsh))}, "
            f"p95 {ms(percentile(virsh, 0.95))}; more by {ms(more)}",
            f"virsh start and {ms(GOAL)}",
            more <= GOAL,
        )
    ]
