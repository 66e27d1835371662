"""The process that keeps the hosts of `scripts/lab` alive: they end with it, however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from kvmweb import environment
from tests.lab.doors import sweep
from tests.lab.guests import Guests
from tests.lab.machine import PREFIX, LabHost, own_folder
from vms.demo import guest
from vms.virt import fingerprint

ROOT = Path(__file__).parents[2]
# Root's alone, so that nobody can put a process of his there.
FOLDER = Path("/run/kvmweb-lab")
NAMES = ("lab-a", "lab-b", "lab-c")


def ticks(pid: int) -> str:
    """When the process started, "" for none: a number alone may be another's by now."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def running() -> int | None:
    """The keeper's process, where one lives."""
    try:
        kept = json.loads((FOLDER / "keeper").read_text())
    except (OSError, ValueError):
        return None
    return int(kept["pid"]) if ticks(kept["pid"]) == kept["ticks"] != "" else None


def describe(host: LabHost) -> dict[str, str]:
    """How it is added; a certificate for the dashboard lies beside."""
    assert host.doors
    folder = FOLDER / host.name
    folder.mkdir()
    certificate, key = host.doors.authority.issue("kvmweb")
    for name, text in (("ca.pem", host.doors.authority.certificate), ("client.pem", certificate), ("client.key", key)):
        (folder / name).write_text(text)
    return {
        "name": host.name, "address": host.doors.address, "fingerprint": fingerprint(host.doors.host_key),
        "socket": str(host.socket), "folder": str(folder), "pid": str(host.first_pid),
    }  # fmt: skip


def keep(names: list[str], users: tuple[int, ...], *, guests: bool) -> None:
    """Start the hosts, say so in FOLDER/hosts, and wait for SIGTERM."""
    hosts: list[LabHost] = []

    def end(number: int, frame: object) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    try:
        for name in names:
            hosts.append(LabHost(name, doors=True, users=users))
        if guests:
            files = guest.guest(environment.load().cache)
            for host in hosts:
                Guests(host, files).make(f"{host.name}-web")
        told = json.dumps([describe(host) for host in hosts])
        (FOLDER / "hosts.new").write_text(told)
        (FOLDER / "hosts.new").rename(FOLDER / "hosts")
        while True:
            signal.pause()
    finally:
        for host in hosts:
            host.stop()


def start(count: int, users: tuple[int, ...], *, guests: bool) -> list[dict[str, str]]:
    """Start a keeper of so many hosts; what there is to know of them."""
    clear()
    FOLDER.mkdir(mode=0o700)
    words = [
        sys.executable,
        "-m",
        "tests.lab.keeper",
        *NAMES[:count],
        *map(str, users),
        *(["guests"] if guests else []),
    ]
    with (FOLDER / "log").open("wb") as log:
        keeper = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (FOLDER / "keeper").write_text(json.dumps({"pid": keeper.pid, "ticks": ticks(keeper.pid)}))
    while not (FOLDER / "hosts").exists():
        if keeper.poll() is not None:
            told = (FOLDER / "log").read_text()
            clear()
            raise SystemExit(f"The lab did not start:\n{told}")
        time.sleep(0.1)
    return hosts()


def hosts() -> list[dict[str, str]]:
    """What was said of the hosts that run."""
    found: list[dict[str, str]] = json.loads((FOLDER / "hosts").read_text()) if running() else []
    return found


def clear() -> None:
    """End the keeper with its hosts, and take away what it left, also where it was killed."""
    pid = running()
    if pid:
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + 10
        while ticks(pid) and time.monotonic() < until and not is_zombie(pid):
            time.sleep(0.05)
        if ticks(pid) and not is_zombie(pid):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.rmtree(own_folder(PREFIX))
    sweep()


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True


if __name__ == "__main__":
    numbers = tuple(int(word) for word in sys.argv[1:] if word.isdigit())
    keep([word for word in sys.argv[1:] if word in NAMES], numbers, guests="guests" in sys.argv)
