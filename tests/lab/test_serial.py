"""Serial lines of a real guest: from libvirt's stream up to a WebSocket through the front."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.lab.far import row
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from vms import virt
from vms.demo.guest import Guest
from vms.errors import ConsoleBusy, HostRefused
from vms.virt.console import Carrier

LINE = "serial1"


@pytest.fixture(scope="module")
def shell(lab_host: LabHost, guest_files: Guest) -> Iterator[LabGuest]:
    """It has a shell on its second serial line, the only one that is a pty."""
    guests = Guests(lab_host, guest_files)
    yield guests.make("serial-shell", shell=True, start=True)
    guests.remove_all()


def spec(guest: LabGuest) -> virt.HostSpec:
    return virt.HostSpec("unix", "qemu", str(guest.host.socket), str(guest.host.uuid))


def threads() -> int:
    return sum(thread.name in ("serial line", "wire") for thread in threading.enumerate())


def read(line: socket.socket, text: bytes) -> bytes:
    """What it says, up to the text."""
    line.settimeout(20)
    got = b""
    while text not in got:
        piece = line.recv(65536)
        assert piece, f"it ended after {got!r}"
        got += piece
    return got


def command(line: socket.socket, text: bytes) -> None:
    """Give it to the shell once that waits for one: what is typed before it is there is lost."""
    eventually(lambda: is_at_prompt(line), "the shell waits", within=180)
    line.sendall(text)


def is_at_prompt(line: socket.socket) -> bool:
    """Whether it says nothing more after a prompt: what is typed while it still answers is lost, too."""
    line.sendall(b"\x15\r")
    line.settimeout(2)
    got = b""
    with suppress(TimeoutError):
        while piece := line.recv(65536):
            got += piece
    return b":/# " in got


def free(guest: LabGuest, force: bool) -> socket.socket | None:
    """The line, None while somebody holds it: who has just let it go holds it for another moment."""
    try:
        return virt.open_console(spec(guest), guest.uuid, LINE, force=force)
    except ConsoleBusy:
        return None


@contextmanager
def opened(guest: LabGuest, *, force: bool = False) -> Iterator[socket.socket]:
    line = eventually(lambda: free(guest, force), "the line is free")
    try:
        yield line
    finally:
        line.close()


@contextmanager
def virsh(guest: LabGuest) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody who holds the line at the host's own prompt."""
    with opened(guest):
        pass
    time.sleep(1)
    command = f"virsh -c {guest.host.uri} console {guest.name} {LINE}"
    with subprocess.Popen(
        ["script", "-qec", command, "/dev/null"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stdin
        while b"Escape character" not in (said := process.stdout.readline()):
            assert said, "virsh ended"
        try:
            yield process
        finally:
            process.kill()


def test_a_line_is_a_socket_that_sleeps_and_is_given_back(shell: LabGuest) -> None:
    before = threads()
    with opened(shell) as line:
        command(line, b"echo carried-$((6*7))\r")
        read(line, b"carried-42")
        with pytest.raises(ConsoleBusy):
            virt.open_console(spec(shell), shell.uuid, LINE)
        used = os.times()
        time.sleep(5)
        now = os.times()
        # A keepalive now and then.
        assert (now.user + now.system) - (used.user + used.system) < 0.1
    eventually(lambda: threads() <= before, "its threads have ended")
    with opened(shell) as line:
        line.sendall(b"echo once-more-$((6*7))\r")
        read(line, b"once-more-42")


def test_nothing_of_a_line_stays_behind(shell: LabGuest) -> None:
    def left() -> tuple[int, int]:
        gc.collect()
        carriers = sum(isinstance(each, Carrier) for each in gc.get_objects())
        return len(list(Path("/proc/self/fd").iterdir())), carriers

    with opened(shell) as line:
        line.sendall(b"\r")
        line.recv(1)
    eventually(lambda: threads() == 0, "its threads have ended")
    before = left()
    for _ in range(5):
        with opened(shell, force=True) as line:
            line.sendall(b"\r")
            line.recv(1)
    eventually(lambda: threads() == 0, "its threads have ended")
    assert left() <= before, before


def test_much_of_it_arrives_whole(shell: LabGuest) -> None:
    with opened(shell) as line:
        command(line, b"stty -onlcr; seq 1 40000; echo the-$((2*3))-end\r")
        got = read(line, b"the-6-end")
        line.sendall(b"stty onlcr\r")
    assert b"\n".join(b"%d" % number for number in range(1, 40001)) in got


def test_one_who_holds_it_is_thrown_out_only_by_force(shell: LabGuest) -> None:
    with virsh(shell) as other:
        with pytest.raises(ConsoleBusy):
            virt.open_console(spec(shell), shell.uuid, LINE)
        assert other.poll() is None
        with opened(shell, force=True) as line:
            eventually(lambda: other.poll() is not None, "virsh has lost it")
            line.sendall(b"echo forced-$((6*7))\r")
            read(line, b"forced-42")


@pytest.mark.parametrize("device", ["serial0", "serial7", "/dev/pts/0"])
def test_what_is_no_pty_is_refused(shell: LabGuest, device: str) -> None:
    before = threads()
    with pytest.raises(HostRefused):
        virt.open_console(spec(shell), shell.uuid, device)
    eventually(lambda: threads() <= before, "nothing is left")


def test_it_ends_with_the_vm(guests: Guests) -> None:
    guest = guests.make("serial-short", shell=True)
    guest.domain.create()
    before = threads()
    with opened(guest) as line:
        guest.domain.destroy()
        line.settimeout(20)
        while line.recv(65536):
            pass
    eventually(lambda: threads() <= before, "its threads have ended")


@pytest.fixture(scope="module")
def far_shell(far_host: LabHost, guest_files: Guest) -> Iterator[LabGuest]:
    """The same on another machine."""
    guests = Guests(far_host, guest_files)
    yield guests.make("far-shell", shell=True, start=True)
    guests.remove_all()


@pytest.mark.django_db
@pytest.mark.parametrize("transport", ["ssh", "tls", "tcp"])
def test_the_line_of_another_machine_is_the_same(far_host: LabHost, far_shell: LabGuest, transport: str) -> None:
    before = threads()
    line = virt.open_console(virt.HostSpec(**row(far_host, transport).spec_fields()), far_shell.uuid, LINE, force=True)
    try:
        line.sendall(b"\x15\r")
        read(line, b":/# ")
        line.sendall(f"echo by-{transport}-$((6*7))\r".encode())
        read(line, f"by-{transport}-42".encode())
    finally:
        line.close()
    eventually(lambda: threads() <= before, "its threads have ended")


class Terminal:
    """A raw WebSocket to a serial line, by the administrator's token."""

    def __init__(self, dashboard: Dashboard, vm: int, connection: ClientConnection, console: int, mode: str) -> None:
        self.dashboard, self.vm, self.connection, self.console, self.mode = dashboard, vm, connection, console, mode
        self.got = b""

    def reads(self, text: bytes) -> None:
        while text not in self.got:
            try:
                piece = self.connection.recv(timeout=60)
            except TimeoutError:
                raise AssertionError(f"no {text!r} in {self.got!r}") from None
            self.got += piece if isinstance(piece, bytes) else b""

    def types(self, text: bytes) -> None:
        self.connection.send(text)

    def takes_over(self) -> None:
        answer = self.dashboard.post(f"/vms/{self.vm}/console/take-over", {"console": self.console})
        assert (answer.status, answer.body["mode"]) == (200, "drive"), answer


@contextmanager
def terminal(dashboard: Dashboard, vm: int, **wish: object) -> Iterator[Terminal]:
    answer = dashboard.post(f"/vms/{vm}/console", {"kind": "serial", **wish})
    assert answer.status == 200, answer
    with connect(dashboard.url.replace("http", "ws") + answer.body["url"], compression=None) as connection:
        yield Terminal(dashboard, vm, connection, answer.body["console"], answer.body["mode"])


@pytest.fixture
def vm(dashboard: Dashboard, shell: LabGuest) -> int:
    found = dashboard.vm(shell.uuid)
    eventually(lambda: dashboard.get(f"/vms/{found}")["serials"] == [LINE], "its serial line is known")
    return found


def test_a_driver_types_and_a_viewers_bytes_never_arrive(dashboard: Dashboard, vm: int) -> None:
    with terminal(dashboard, vm) as driver, terminal(dashboard, vm, mode="view") as viewer:
        assert (driver.mode, viewer.mode) == ("drive", "view")
        driver.types(b"\x03\r")
        driver.reads(b":/# ")
        viewer.types(b"echo watched-$((6*7))\r")
        time.sleep(1)
        driver.types(b"echo driven-$((6*7))\r")
        for one in (driver, viewer):
            one.reads(b"driven-42")
            assert b"watched" not in one.got
        viewer.takes_over()

        def arrives() -> bool:
            viewer.types(b"echo taken-$((6*7))\r")
            try:
                while b"taken-42" not in viewer.got:
                    piece = viewer.connection.recv(timeout=2)
                    viewer.got += piece if isinstance(piece, bytes) else b""
            except TimeoutError:
                return False
            return True

        eventually(arrives, "what is typed after taking over arrives")
        driver.types(b"echo lost-$((6*7))\r")
        time.sleep(1)
        viewer.types(b"echo kept-$((6*7))\r")
        viewer.reads(b"kept-42")
        assert b"lost" not in viewer.got
    with terminal(dashboard, vm, mode="view") as late:
        late.reads(b"kept-42")


def test_virsh_finds_it_held_and_a_line_that_virsh_holds_is_said(
    dashboard: Dashboard, vm: int, shell: LabGuest
) -> None:
    with terminal(dashboard, vm) as mine:
        mine.types(b"\r")
        mine.reads(b":/# ")
        with pytest.raises(ConsoleBusy):
            virt.open_console(spec(shell), shell.uuid, LINE)
        # By force, as somebody at the host may: the console ends, and is not taken back by itself.
        with opened(shell, force=True), pytest.raises(ConnectionClosed) as closed:
            while True:
                mine.connection.recv(timeout=20)
        assert closed.value.rcvd and closed.value.rcvd.reason == "target_closed"
    with virsh(shell) as other:
        with terminal(dashboard, vm) as refused, pytest.raises(ConnectionClosed) as closed:
            while True:
                refused.connection.recv(timeout=20)
        assert closed.value.rcvd and closed.value.rcvd.reason == "held_elsewhere"
        assert other.poll() is None
        with terminal(dashboard, vm, force=True) as mine:
            mine.types(b"echo asked-$((6*7))\r")
            mine.reads(b"asked-42")
        eventually(lambda: other.poll() is not None, "virsh has lost it")
