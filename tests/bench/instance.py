"""From Create to a running QEMU with a disk over a template, in turns with `qemu-img create -b`, `virsh define` and
`virsh start` of the same definition with the disk's path; both ends seen by libvirt."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import libvirt
from lxml import etree

from tests.bench.figures import Figure, ms, percentile
from tests.bench.stage import Stage
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard
from tests.lab.web import Browser

TURNS = 15
GOAL = 1.2
FORM = {
    "source": "template", "backing": "linked", "size": "own", "cpus": "1", "memory": "192", "network": "none",
    "firmware": "bios", "count": "1",
}  # fmt: skip


class Observer:
    """A connection of its own that hears which domains have started, and when."""

    def __init__(self, connection: libvirt.virConnect) -> None:
        self.heard = threading.Condition()
        self.at: dict[str, float] = {}
        connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self.hear, None)

    def hear(self, conn: object, domain: libvirt.virDomain, event: int, detail: int, opaque: object) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            with self.heard:
                self.at[domain.name()] = time.perf_counter()
                self.heard.notify_all()

    def wait(self, name: str) -> float:
        """When it started."""
        with self.heard:
            assert self.heard.wait_for(lambda: name in self.at, 60), f"{name} did not start"
            return self.at[name]


@contextmanager
def observer(host: LabHost) -> Iterator[Observer]:
    libvirt.virEventRegisterDefaultImpl()
    ends = threading.Event()

    def turn() -> None:
        while not ends.is_set():
            libvirt.virEventRunDefaultImpl()

    thread = threading.Thread(target=turn, daemon=True)
    timer = libvirt.virEventAddTimeout(200, lambda *_: None, None)
    thread.start()
    connection = libvirt.open(host.uri)
    yield Observer(connection)
    connection.close()
    ends.set()
    thread.join(5)
    libvirt.virEventRemoveTimeout(timer)


class Creator:
    """Presses Create as the page does: a form, by a kept connection."""

    def __init__(self, dashboard: Dashboard, template: int) -> None:
        browser = Browser(dashboard)
        self.template = template
        self.connection = HTTPConnection("127.0.0.1", dashboard.port, timeout=60)
        self.token = browser.cookie("csrf")
        self.headers = {
            "Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.jar),
            "Origin": dashboard.url,
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def press(self, name: str) -> None:
        fields = {**FORM, "name": name, "template": str(self.template), "csrfmiddlewaretoken": self.token}
        self.connection.request("POST", "/vms/new/", urlencode(fields), self.headers)
        answer = self.connection.getresponse()
        told = answer.read()
        assert answer.status == 302, told.decode()


def make_golden(dashboard: Dashboard, pool: LabPool, iso: Path) -> int:
    """A VM, off, with the guest on its disk; its number."""
    subprocess.run(
        ["qemu-img", "convert", "-q", "-O", "qcow2", iso, pool.folder / "golden.qcow2"], check=True
    )  # fmt: skip
    pool.names()
    dashboard.do("from vms.models import Storage; Storage.objects.update(trusted=True)")

    def disk() -> int | None:
        for one in dashboard.get("/pools?page_size=200")["items"]:
            for each in dashboard.get(f"/pools/{one['id']}/volumes?page_size=200")["items"]:
                if (each["name"], each["state"]) == ("golden.qcow2", "ready"):
                    return int(each["id"])
        dashboard.do("from vms.models import Storage; Storage.objects.update(trusted=True)")
        return None

    volume = eventually(disk, "its disk is known", within=60)
    body = {
        "name": "golden", "cpus": 1, "memory_mib": 192, "disks": [{"volume": volume}], "networks": [], "start": False,
        "firmware": "bios",
    }  # fmt: skip
    made = dashboard.await_operation(dashboard.post("/vms", body).body["operation"]["id"], within=60)
    vm = int(made["target"]["id"])
    eventually(lambda: dashboard.get(f"/vms/{vm}/belongings")["goes"], "its disk is the VM's", within=60)
    return vm


def make_template(dashboard: Dashboard, pool: LabPool, iso: Path) -> int:
    """Of such a VM; its number."""
    vm = make_golden(dashboard, pool, iso)
    asked = dashboard.post(f"/vms/{vm}/template")
    assert asked.status == 202, asked
    dashboard.await_operation(asked.body["operation"]["id"], within=60)
    return vm


def by_path(text: str, pool: LabPool) -> str:
    """The definition with the disk by its path, and a word in the place of the UUID."""
    root = etree.fromstring(text)
    identity, disk = root.find("uuid"), root.find("devices/disk")
    assert identity is not None and disk is not None
    identity.text = "a-uuid"
    disk.set("type", "file")
    source = disk.find("source")
    assert source is not None
    source.attrib.clear()
    source.set("file", f"{pool.path}/made-model.qcow2")
    return etree.tostring(root, encoding="unicode")


def measure(stage: Stage) -> list[Figure]:
    dashboard, host = stage.small_dashboard, stage.small_host
    ours: list[float] = []
    answers: list[float] = []
    bare: list[float] = []
    with folder_pool(host) as pool, observer(host) as seen:
        creator = Creator(dashboard, make_template(dashboard, pool, stage.guests.files.iso))
        connection = host.connect()
        model = ""

        def create(name: str) -> float:
            began = time.perf_counter()
            creator.press(name)
            answered = time.perf_counter() - began
            seconds = seen.wait(name) - began
            answers.append(answered)
            return seconds

        def by_hand(name: str) -> float:
            file = pool.folder / f"{name}.xml"
            file.write_text(model.replace("made-model", name).replace("a-uuid", str(uuid.uuid4())))
            virsh = ["virsh", "-q", "-c", host.uri]
            began = time.perf_counter()
            disk = ["-f", "qcow2", "-F", "qcow2", "-b", "golden.qcow2", str(pool.folder / f"{name}.qcow2")]
            subprocess.run(["qemu-img", "create", "-q", *disk], check=True)
            subprocess.run([*virsh, "define", str(file)], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([*virsh, "start", name], check=True, stdout=subprocess.DEVNULL)
            return seen.wait(name) - began

        def settle(name: str) -> None:
            """Gone; the dashboard has nothing left to do."""
            eventually(lambda: not dashboard.query("select 1 from vms_operationlock"), "it is made", within=60)
            domain = connection.lookupByName(name)
            domain.destroy()
            domain.undefine()
            (pool.folder / f"{name}.qcow2").unlink()
            pool.names()
            eventually(lambda: not dashboard.query("select 1 from vms_operationlock"), "no lock is left", within=60)
            time.sleep(1)

        create("made-model")
        model = by_path(connection.lookupByName("made-model").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), pool)
        settle("made-model")
        for turn in range(TURNS + 1):
            ways = ((ours, create, "ours"), (bare, by_hand, "bare"))
            for times, way, word in ways if turn % 2 else ways[::-1]:
                name = f"made-{word}-{turn}"
                seconds = way(name)
                settle(name)
                # The first turn warms both up.
                if turn:
                    times.append(seconds)
        connection.close()
    share = median(ours) / median(bare)
    load = os.getloadavg()[0]
    return [
        Figure(
            "Create to running QEMU, a linked clone of a template",
            f"median {ms(median(ours))}, p95 {ms(percentile(ours, 0.95))} (answered in {ms(median(answers))}); by hand "
            f"{ms(median(bare))}, p95 {ms(percentile(bare, 0.95))}; {share:.2f} times as long; load {load:.1f}",
            f"{GOAL} times qemu-img, virsh define, virsh start",
            share <= GOAL,
        )
    ]
