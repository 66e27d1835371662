"""Alerts with real causes: each is told once, what is usual never, and a webhook that hangs holds nobody up."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import folder_pool
from tests.lab.stack import Dashboard, command_line
from tests.lab.test_kills import held
from tests.lab.test_serial import command, opened
from tests.webserver import WebServer, head

Told = list[dict[str, Any]]


@pytest.fixture
def told(dashboard: Dashboard, mirror: WebServer) -> Iterator[Told]:
    """What a webhook hears, beside another one that never answers."""
    heard: Told = []
    ended = threading.Event()

    def take(connection: socket.socket, text: str) -> None:
        lines, _, body = text.partition("\r\n\r\n")
        length = next(int(line.split(": ")[1]) for line in lines.split("\r\n") if line.startswith("Content-Length"))
        data = body.encode()
        while len(data) < length:
            data += connection.recv(65536)
        heard.append(json.loads(data))
        connection.sendall(head(204))

    def hang(connection: socket.socket, text: str) -> None:
        ended.wait(60)

    mirror.pages.update({"/hook": take, "/hangs": hang})
    sinks = []
    for name, path in (("takes", "/hook"), ("hangs", "/hangs")):
        made = dashboard.post("/alert-sinks", {"name": name, "kind": "webhook", "address": mirror.url(path)})
        assert made.status == 201, made.body
        sinks.append(made.body["id"])
    yield heard
    ended.set()
    for sink in sinks:
        answer = dashboard.request("DELETE", f"/api/v1/alert-sinks/{sink}")
        assert answer.status == 204, answer.body


def of(dashboard: Dashboard, kind: str, thing: int | None, *, state: str = "all") -> Told:
    """The alerts of that kind about that thing, and about nothing where that is None."""
    items = dashboard.get(f"/alerts?page_size=200&state={state}")["items"]
    return [one for one in items if one["kind"] == kind and (one["of"]["id"] if one["of"] else None) == thing]


def heard(told: Told, vm: int) -> list[str]:
    """What the webhook has heard of that VM; of others, such as those of an earlier test that go, it hears too."""
    about = {"kind": "vm", "id": vm}
    return [one["what"] for one in told if one["alert"] and about.items() <= (one["alert"]["of"] or {}).items()]


def qemu(host: LabHost, guest: LabGuest) -> int:
    return next(pid for pid in host.programs() if f"guest={guest.name}," in command_line(pid))


def test_what_stops_unasked_is_told_once_and_what_is_usual_is_not(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost, told: Told
) -> None:
    guest, inside = guests.make("alert-crashes", start=True), guests.make("alert-inside", shell=True, start=True)
    vm, usual = dashboard.vm(guest.uuid), dashboard.vm(inside.uuid)
    for each in (vm, usual):
        dashboard.await_state(each, "running")
    os.kill(qemu(lab_host, guest), signal.SIGKILL)
    [crash] = eventually(lambda: of(dashboard, "vm_stopped", vm), "the crash is told")
    assert crash["params"]["how"] == "crashed" and crash["severity"] == "critical"
    eventually(lambda: heard(told, vm), "the webhook has heard of it")
    # The one that hangs is being asked meanwhile, for ten seconds, and holds no operation up.
    start = dashboard.await_operation(dashboard.ask(vm, "start"))
    queued, started = (datetime.fromisoformat(start[name]) for name in ("queued_at", "started_at"))
    assert started - queued < timedelta(seconds=8)
    eventually(lambda: of(dashboard, "vm_stopped", vm, state="ended"), "it is over")
    eventually(lambda: heard(told, vm) == ["begun", "ended"], "that is heard, too")
    lab_host.virsh("destroy", guest.name)
    [forced] = eventually(lambda: of(dashboard, "vm_stopped", vm, state="open"), "what was done outside is told")
    assert forced["params"]["how"] == "destroyed"
    dashboard.await_operation(dashboard.ask(vm, "start"))
    dashboard.await_operation(dashboard.ask(vm, "force-off"))
    with opened(inside, force=True) as line:
        command(line, b"poweroff -f || echo o > /proc/sysrq-trigger\r")
        eventually(inside.is_off, "its guest has shut it down", within=60)
    dashboard.await_state(usual, "shut_off")
    # Long enough for two looks.
    time.sleep(11)
    assert not of(dashboard, "vm_stopped", usual)
    assert len(of(dashboard, "vm_stopped", vm)) == 2 and not of(dashboard, "vm_stopped", vm, state="open")


def test_a_pool_that_fills(dashboard: Dashboard, lab_host: LabHost, rule: Any) -> None:
    rule("pool_full", seconds=0)
    with folder_pool(lab_host, disk="16m") as pool:

        def row() -> Any:
            rows = dashboard.get("/pools?page_size=200")["items"]
            return next((one for one in rows if one["name"] == pool.name), None)

        pk = eventually(row, "the pool is known", within=90)["id"]
        lab_host.run("dd", "if=/dev/zero", f"of={pool.path}/fat", "bs=1M", "count=15", "status=none")
        pool.names()
        [alert] = eventually(lambda: of(dashboard, "pool_full", pk), "it is told of", within=90)
        assert alert["params"]["used"] == 94 and alert["severity"] == "warning"
        lab_host.run("rm", f"{pool.path}/fat")
        pool.names()
        eventually(lambda: of(dashboard, "pool_full", pk, state="ended"), "it is over", within=90)


def test_a_host_that_hangs_and_a_watcher_that_does(dashboard: Dashboard, lab_host: LabHost, rule: Any) -> None:
    rule("host_silent", seconds=2)
    rule("watcher_behind", seconds=2)
    [host] = dashboard.get("/hosts")["items"]
    with held(lab_host):
        eventually(lambda: of(dashboard, "host_silent", host["id"], state="open"), "the host is told of", within=60)
    eventually(lambda: of(dashboard, "host_silent", host["id"], state="ended"), "it is heard again", within=60)
    watcher = dashboard.pid("watcher")
    os.kill(watcher, signal.SIGSTOP)
    try:
        eventually(lambda: of(dashboard, "watcher_behind", None, state="open"), "the watcher is told of", within=60)
    finally:
        os.kill(watcher, signal.SIGCONT)
    eventually(lambda: of(dashboard, "watcher_behind", None, state="ended"), "it keeps up again", within=60)
