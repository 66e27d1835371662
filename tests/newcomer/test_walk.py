"""From a fresh Debian to a typed command in a VM's screen, as an ordinary user with sudo, without Node and libvirt.

The root is minimal Debian in mount, PID and network namespaces of its own; packages come from the registries that this
machine reaches, through an address translation that is gone afterwards. There is no systemd in it: the walk with units
is named in docs/unproved.md.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmweb import environment as settings
from tests.newcomer.machine import NAME, Machine, machine
from tests.newcomer.root import USER, environment
from tests.newcomer.terminal import Terminal
from tests.supervisor.conftest import eventually

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 30
QUESTION = r"\? \[Y/n\] "
END = "Ctrl-C stops the dashboard"
FAILED = "Likely way out"


@contextlib.contextmanager
def fresh_machine(user: str, clone: str, *, systemd: bool = False) -> Iterator[Machine]:
    """The machine with a clone of that user's."""
    # Not pytest's folder: the path must be free of what an overlay's options cannot hold.
    folder = Path(tempfile.mkdtemp(prefix="kvmweb-newcomer-"))
    try:
        with machine(settings.load().cache, folder, systemd=systemd) as inside:
            bundle = inside.root / "tmp/kvmweb"
            subprocess.run(["git", "bundle", "create", "-q", str(bundle), "HEAD"], cwd=ROOT, check=True)
            inside.run("git", "clone", "-q", "/tmp/kvmweb", clone, user=user)
            yield inside
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def fresh() -> Iterator[Machine]:
    """With a clone in the newcomer's home."""
    with fresh_machine(USER, "kvmweb") as inside:
        yield inside


def start(
    inside: Machine,
    *options: str,
    within: float,
    groups: str = "--init-groups",
    user: str = USER,
    clone: str = "kvmweb",
    end: str = END,
) -> Terminal:
    """scripts/run, until its box stands on the terminal; its one question is answered with yes."""
    terminal = Terminal(inside.entered(f"{clone}/scripts/run", *options, user=user, groups=groups), environment())
    if terminal.wait_for(QUESTION, end, FAILED, within=60) == QUESTION:
        terminal.type("y\n")
    found = terminal.wait_for(end, FAILED, within=within)
    assert found == end, terminal.text
    return terminal


def stop(terminal: Terminal) -> str:
    """Ctrl-C, and its last line."""
    terminal.type("\x03")
    terminal.wait_for(r"Dashboard stopped[^\n]*\n", within=60)
    return terminal.lines[-1]


def field(terminal: Terminal, name: str) -> str:
    found = re.search(rf"│ {name} +(\S+)", terminal.text)
    assert found, terminal.text
    return found[1]


def type_in_the_screen(inside: Machine, address: str, password: str) -> str:
    """What demo-web's serial line says after the newcomer's browser has typed a command in its screen."""
    serial = inside.run("virsh", "-c", "qemu:///system", "ttyconsole", "demo-web", user="").strip()
    line = os.open(inside.root / serial.removeprefix("/"), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        subprocess.run(
            ["ip", "netns", "exec", NAME, sys.executable, "-m", "tests.newcomer.walk", address],
            cwd=ROOT, input=password + "\n", text=True, check=True,
        )  # fmt: skip
        # What the VM says without being read waits in the line: 4 kB of it, minutes of counting.
        return os.read(line, 1 << 16).decode()
    finally:
        os.close(line)


def test_the_newcomers_walk(fresh: Machine) -> None:
    began = time.monotonic()
    with contextlib.closing(start(fresh, "--demo", within=1200)) as terminal:
        seconds = time.monotonic() - began
        assert "Demo VMs made" in terminal.text, terminal.text
        assert len(re.findall(QUESTION, terminal.text)) == 1
        assert len(terminal.lines) <= MOST_LINES, terminal.text
        assert re.search(r"Demo users +demo-operator ", terminal.text)
        assert "ssh -L 8000:localhost:8000" in terminal.text and "KVMWEB_BIND=0.0.0.0" in terminal.text
        heard = type_in_the_screen(fresh, field(terminal, "Address"), field(terminal, "Password"))
        assert "kvmweb-42" in heard.split()
        typed, lines = time.monotonic() - began, len(terminal.lines)
        print(f"\nnewcomer: box after {seconds:.0f} s, typed after {typed:.0f} s, 1 question, {lines} lines")
        assert stop(terminal) == "Dashboard stopped. 1 VM keeps running."
    states = fresh.run("virsh", "-c", "qemu:///system", "list", "--all", user="")
    assert re.search(r"demo-web +running", states) and re.search(r"demo-db +paused", states)

    began = time.monotonic()
    with contextlib.closing(start(fresh, within=60)) as terminal:
        print(f"newcomer: second start {time.monotonic() - began:.1f} s")
        assert not re.search(QUESTION, terminal.text)
        stop(terminal)

    without_polkit(fresh)
    with contextlib.closing(start(fresh, within=90)) as terminal:
        assert "now with D-Bus and polkit" in terminal.text
        stop(terminal)

    group_alone(fresh)
    # A session from before the group: it gets the group for the dashboard alone.
    with contextlib.closing(start(fresh, within=90, groups="--clear-groups")) as terminal:
        assert not re.search(QUESTION, terminal.text)
        assert "not all of it answers" not in terminal.text
        assert stop(terminal) == "Dashboard stopped. 1 VM keeps running."


def restart_libvirtd(inside: Machine, *before: str) -> None:
    """End it, do something, start it bare, as somebody may have done by hand."""
    pid = inside.run("cat", "/run/libvirtd.pid", user="").strip()
    inside.run("sh", "-c", f"kill {pid}", user="")
    eventually(lambda: not (inside.root / "proc" / pid).exists(), 30)
    for line in before:
        inside.run("sh", "-c", line, user="")
    inside.run("libvirtd", "-d", user="")
    inside.run("virsh", "-q", "-c", "qemu:///system", "uri", user="")


def without_polkit(inside: Machine) -> None:
    restart_libvirtd(inside, "kill $(cat /run/dbus/pid)", "rm -f /run/dbus/pid /run/dbus/system_bus_socket")


def group_alone(inside: Machine) -> None:
    """As an administrator may have set it: no polkit, who is in the group may."""
    with (inside.root / "etc/libvirt/libvirtd.conf").open("a") as configuration:
        configuration.write('unix_sock_group = "libvirt"\nunix_sock_rw_perms = "0770"\nauth_unix_rw = "none"\n')
    restart_libvirtd(inside)
