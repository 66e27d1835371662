"""A key typed into a serial line and its echo, through the front and the relay, in turns with `virsh console`."""

from __future__ import annotations

import os
import pty
import subprocess
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from websockets.sync.client import connect

from tests.bench.figures import Figure, ms, percentile
from tests.bench.stage import Stage
from tests.lab.guests import LabGuest
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard

LINE = "serial1"
KEYS = 60  # a line of text
TURNS = 5
GOAL = 0.002

Send = Callable[[bytes], None]
Read = Callable[[], bytes]


def echoes(send: Send, read: Read) -> list[float]:
    """The time from each key to its echo, on a prompt that is empty before and after."""
    took = []
    send(b"\x15\r")
    until(read, b":/# ")
    for _ in range(KEYS):
        began = time.perf_counter()
        send(b"x")
        until(read, b"x")
        took.append(time.perf_counter() - began)
    send(b"\x15")
    return took


def until(read: Read, text: bytes) -> None:
    got = b""
    while text not in got:
        got += read()


@contextmanager
def ours(dashboard: Dashboard, vm: int) -> Iterator[tuple[Send, Read]]:
    address = dashboard.post(f"/vms/{vm}/console", {"kind": "serial", "force": True}).body["url"]
    with connect(dashboard.url.replace("http", "ws") + address, compression=None) as line:

        def read() -> bytes:
            piece = line.recv(timeout=20)
            return piece if isinstance(piece, bytes) else b""

        yield line.send, read


@contextmanager
def virsh(guest: LabGuest) -> Iterator[tuple[Send, Read]]:
    """By force: the relay holds the line for minutes after its last viewer."""
    here, there = pty.openpty()
    tty.setraw(there)
    command = ["virsh", "-c", guest.host.uri, "console", guest.name, LINE, "--force"]
    with subprocess.Popen(command, stdin=there, stdout=there) as process:
        os.close(there)
        until(lambda: os.read(here, 4096), b"Escape character")

        def send(data: bytes) -> None:
            os.write(here, data)

        yield send, lambda: os.read(here, 4096)
        process.kill()
    os.close(here)


def measure(stage: Stage) -> list[Figure]:
    guest = stage.guests.make("echoing", shell=True, start=True)
    dashboard = stage.small_dashboard
    vm = dashboard.vm(guest.uuid)
    eventually(lambda: dashboard.get(f"/vms/{vm}")["serials"] == [LINE], "its serial line is known")
    of_relay: list[float] = []
    of_virsh: list[float] = []
    for _ in range(TURNS):
        with ours(dashboard, vm) as line:
            of_relay += echoes(*line)
        with virsh(guest) as line:
            of_virsh += echoes(*line)
    guest.remove()
    more = median(of_relay) - median(of_virsh)
    return [
        Figure(
            "serial line: a key and its echo",
            f"median {ms(median(of_relay))}, p95 {ms(percentile(of_relay, 0.95))}; virsh console "
            f"{ms(median(of_virsh))}, p95 {ms(percentile(of_virsh, 0.95))}; more by {ms(more)}",
            f"virsh console and {ms(GOAL)}",
            more <= GOAL,
        )
    ]
