"""A file into a pool and out again through the front and the transfer process, in turns with virsh on the same host."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure
from tests.bench.processes import cpu_seconds, proportional_kib
from tests.bench.stage import Stage
from tests.lab.pools import LabPool, folder_pool
from tests.lab.sending import MIB, pool_of, upload
from tests.lab.stack import Dashboard

SIZE = 2000 * MIB
TURNS = 3
# The goals are 500 MB/s, and 0.9 of virsh behind a line of 300, where virsh writes 1,361: what a machine can do changes
# by the minute, and behind a line of 300 a slower one is its own limit.
LEAST = 500 / 1361
LINE = 300 / 1361
FAST_LINE = 300_000_000
OF_VIRSH = 0.9
BLOCK = 1 << 20


@contextmanager
def file() -> Iterator[Path]:
    """One of random bytes, in the page cache."""
    with tempfile.NamedTemporaryFile(prefix="kvmweb-bench-") as made:
        for _ in range(SIZE // MIB):
            made.write(os.urandom(MIB))
        made.flush()
        yield Path(made.name)


class Peak:
    """The most memory that a process has had while this was looked at, in KiB."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.kib = proportional_kib(pid)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self) -> None:
        while not self.over.wait(0.1):
            self.kib = max(self.kib, proportional_kib(self.pid))

    def __enter__(self) -> Peak:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.thread.join()


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def virsh(pool: LabPool, verb: str, name: str, path: Path | str, *, uri: str = "") -> None:
    command = ["virsh", "-q", "-c", uri or pool.host.uri, verb, "--pool", pool.name, name, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def send(dashboard: Dashboard, url: str, path: Path) -> None:
    """One PATCH, as fast as the kernel gives it away."""
    said = {
        "Host": f"127.0.0.1:{dashboard.port}", "Authorization": f"Bearer {dashboard.token}", "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream", "Content-Length": str(SIZE),
    }  # fmt: skip
    head = f"PATCH {url} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in said.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", dashboard.port)) as way, path.open("rb") as data:
        way.sendall(head.encode())
        way.sendfile(data)
        answer = http.client.HTTPResponse(way, method="PATCH")
        answer.begin()
        assert answer.status == 204, answer.status


def fetch(dashboard: Dashboard, volume: int) -> None:
    way = http.client.HTTPConnection("127.0.0.1", dashboard.port)
    way.request("GET", f"/transfer/volumes/{volume}", headers={"Authorization": f"Bearer {dashboard.token}"})
    answer, into = way.getresponse(), bytearray(BLOCK)
    got = 0
    while read := answer.readinto(into):
        got += read
    assert (answer.status, got) == (200, SIZE)
    way.close()


def measure(stage: Stage) -> list[Figure]:
    dashboard = stage.small_dashboard
    times: dict[str, list[float]] = {name: [] for name in ("up", "up virsh", "whole", "down", "down virsh")}
    with file() as path, folder_pool(stage.small_host) as pool:
        pk = pool_of(dashboard, pool)
        process = dashboard.pid("transfer")
        rest = proportional_kib(process)
        used, carried = cpu_seconds(process), 0
        with Peak(process) as peak:
            for turn in range(TURNS):
                pool.make("theirs.img", SIZE)
                times["up virsh"].append(seconds(partial(virsh, pool, "vol-upload", "theirs.img", path)))
                sending = upload(dashboard, pk, f"ours-{turn}.img", SIZE)
                began = time.perf_counter()
                times["up"].append(seconds(partial(send, dashboard, sending.url, path)))
                dashboard.await_operation(sending.operation, within=600)
                times["whole"].append(time.perf_counter() - began)
                [[volume]] = dashboard.query("SELECT id FROM vms_volume WHERE name = ?", f"ours-{turn}.img")
                times["down virsh"].append(seconds(partial(virsh, pool, "vol-download", "theirs.img", "/dev/null")))
                times["down"].append(seconds(partial(fetch, dashboard, volume)))
                carried += 3 * SIZE
                for name in ("theirs.img", f"ours-{turn}.img"):
                    (pool.folder / name).unlink()
                pool.names()
        used = cpu_seconds(process) - used
    line = int(LINE * SIZE / median(times["up virsh"]))
    return [*speeds(times), of_process(used / carried, rest, peak.kib), *over_lines(stage, line)]


def over_lines(stage: Stage, line: int) -> list[Figure]:
    """To a host by TCP, behind a line of so many bytes a second that is the limit, and behind a fast one."""
    machine = stage.host_with_doors
    assert machine.doors
    wish = {"name": "far", "transport": "tcp", "host": machine.doors.address, "unencrypted": True}
    assert stage.small_dashboard.post("/hosts", wish).status == 201
    return [over_a_line(stage, line, goal=True), over_a_line(stage, FAST_LINE, goal=False)]


def over_a_line(stage: Stage, line: int, *, goal: bool) -> Figure:
    machine, dashboard = stage.host_with_doors, stage.small_dashboard
    assert machine.doors
    uri = f"qemu+tcp://{machine.doors.address}/system"
    times: dict[str, list[float]] = {"ours": [], "virsh": []}
    with file() as path, folder_pool(machine) as pool, machine.doors.narrow(line):
        pk = pool_of(dashboard, pool)
        for turn in range(TURNS):
            pool.make("theirs.img", SIZE)
            times["virsh"].append(seconds(partial(virsh, pool, "vol-upload", "theirs.img", path, uri=uri)))
            sending = upload(dashboard, pk, f"ours-{turn}.img", SIZE)
            times["ours"].append(seconds(partial(send, dashboard, sending.url, path)))
            dashboard.await_operation(sending.operation, within=600)
            for name in ("theirs.img", f"ours-{turn}.img"):
                (pool.folder / name).unlink()
            pool.names()
    ours, theirs = (SIZE / median(times[name]) / 1e6 for name in ("ours", "virsh"))
    return Figure(
        f"upload of {SIZE / 1e9:.1f} GB to a host behind a line of {line / 1e6:.0f} MB/s",
        f"{ours:,.0f} MB/s; virsh vol-upload {theirs:,.0f} MB/s; ratio {ours / theirs:.2f}",
        f"at least {OF_VIRSH} of virsh" if goal else "",
        ours >= OF_VIRSH * theirs if goal else None,
    )


def speeds(times: dict[str, list[float]]) -> list[Figure]:
    def speed(name: str) -> float:
        return SIZE / median(times[name]) / 1e6

    figures = []
    for words, name in (("upload", "up"), ("download", "down")):
        ours, theirs = speed(name), speed(f"{name} virsh")
        rest = f"; until it is read back and summed up {speed('whole'):,.0f} MB/s" if name == "up" else ""
        figures.append(
            Figure(
                f"{words} of {SIZE / 1e9:.1f} GB through the front, in the page cache",
                f"{ours:,.0f} MB/s; virsh vol-{words} {theirs:,.0f} MB/s; ratio {ours / theirs:.2f}{rest}",
                f"at least {LEAST:.2f} of virsh" if name == "up" else "",
                ours >= LEAST * theirs if name == "up" else None,
            )
        )
    return figures


def of_process(used: float, rest: int, peak: int) -> Figure:
    """used: seconds of processor for a byte that is carried."""
    return Figure(
        "the transfer process meanwhile",
        f"{used * 1e12:,.0f} ms of processor a GB (up, read back, down); "
        f"memory {rest / 1024:,.0f} MB at rest, at most {peak / 1024:,.0f} MB",
    )
