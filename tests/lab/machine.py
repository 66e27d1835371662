"""A lab host: a real libvirtd in namespaces of its own, reached through a unix socket; nothing of it outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import libvirt

from kvmweb.second import namespaces
from kvmweb.second.namespaces import children
from tests.lab.certificates import Authority
from tests.lab.doors import Doors

PREFIX = "kvmweb-host-"
# With doors (tests/lab/doors.py).
OPEN = (namespaces.LOG, (*namespaces.VIRT, "--listen"), ("/usr/sbin/sshd", "-D", "-f", "/run/lab/sshd_config"))
T = TypeVar("T")

libvirt.registerErrorHandler(lambda *_: None, None)  # the tests read exceptions, not the library's lines


def eventually(ask: Callable[[], T | None], what: str, *, within: float = 30, every: float = 0.1) -> T:
    """The first true answer; AssertionError names what did not come to pass."""
    until = time.monotonic() + within
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < until, f"not within {within} s: {what}; last: {answer!r}"
        time.sleep(every)


def printed(*command: str) -> str:
    """What the program prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def hello(host: LabHost, address: str) -> str:
    """What the guest at that address of the host's network answers on port 80, "" while it does not."""
    ask = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode().strip())"
    try:
        return host.run("/usr/bin/python3", "-c", ask, f"http://{address}").strip()
    except AssertionError:
        return ""


def own_folder(prefix: str) -> Path:
    """A temporary folder of this process; those that killed processes left behind are taken away."""
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*/owner"):
        if not Path(f"/proc/{left.read_text()}").exists():
            shutil.rmtree(left.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    (folder / "owner").write_text(str(os.getpid()))
    return folder


def write_settings(folder: Path, name: str, identity: uuid.UUID, *, doors: bool = False) -> None:
    """What a fresh Debian libvirt has, with QEMU as root and the socket open to whoever may enter the folder."""
    namespaces.lay_out(
        folder, name, daemons=OPEN if doors else (namespaces.LOG, namespaces.VIRT),
        libvirtd=f'host_uuid = "{identity}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n'
        'unix_sock_rw_perms = "0700"\n',
        qemu='user = "root"\ngroup = "root"\nmigrate_tls_x509_cert_dir = "/etc/libvirt/moves"\n',
    )  # fmt: skip
    (folder / "serial").mkdir()
    write_certificates(folder / "etc/libvirt/moves")


@cache
def authority() -> Authority:
    """Whose certificates the QEMUs of all lab hosts show each other when a VM moves."""
    return Authority("lab moves")


def write_certificates(folder: Path) -> None:
    """By the names that QEMU looks for (docs of libvirt: qemu.conf, migrate_tls_x509_cert_dir)."""
    folder.mkdir()
    (folder / "ca-cert.pem").write_text(authority().certificate)
    for part, names in (("server", [address(number) for number in (1, 2, 5, 6, 9, 10)]), ("client", [])):
        certificate, key = authority().issue("lab host", *names)
        (folder / f"{part}-cert.pem").write_text(certificate)
        (folder / f"{part}-key.pem").write_text(key)


def address(number: int) -> str:
    """Of an end of a cable between two hosts: the first has the numbers 1 and 2, each further one the next four's."""
    return f"10.214.0.{number}"


class LabHost:
    """Running from the beginning to stop(), which is also what happens when this process is killed."""

    def __init__(self, name: str = "lab-a", *, doors: bool = False, users: tuple[int, ...] = (0,)) -> None:
        """doors: it can be reached over the network too, by processes of these users; see tests/lab/doors.py."""
        self.name = name
        self.uuid = uuid.uuid4()
        self.folder = own_folder(PREFIX)
        write_settings(self.folder, name, self.uuid, doors=doors)
        self.doors = Doors(self.folder, users) if doors else None
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *namespaces.command(self.folder)])
        try:
            if self.doors:
                self.doors.join(eventually(lambda: children(self.process.pid), "its first process").popitem()[0])
            self.wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    @property
    def socket(self) -> Path:
        return self.folder / "run/libvirt/libvirt-sock"

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.socket}"

    @property
    def images(self) -> Path:
        """The folder's own path: the host itself knows it as /var/lib/libvirt/images."""
        return self.folder / "var/lib/libvirt/images"

    def connect(self) -> libvirt.virConnect:
        return libvirt.open(self.uri)

    def wait_until_it_answers(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, f"the lab host ended; see {self.folder}/libvirtd.log"
            try:
                self.connect().close()
            except libvirt.libvirtError:
                return False
            return True

        eventually(answers, "the lab's libvirtd answers")

    @property
    def first_pid(self) -> int:
        """The host's first process, as this namespace counts."""
        [pid] = children(self.process.pid)
        return pid

    def pid(self, program: str) -> int:
        """The pid of libvirtd or virtlogd, as this namespace counts."""
        return next(pid for pid, name in children(self.first_pid).items() if name == program)

    def programs(self) -> dict[int, str]:
        """{pid: program} of every process of the host, beside its first."""
        found: dict[int, str] = {}
        look = [self.process.pid]
        while look:
            below = children(look.pop())
            found |= below
            look += below
        return found

    def pids(self) -> list[int]:
        """Every process of the host."""
        return [self.process.pid, *self.programs()]

    def run(self, *command: str) -> str:
        """What a program prints that runs on the host: in its network, with its files."""
        enter = ("nsenter", "--target", str(self.first_pid), "--mount", "--uts", "--ipc", "--net", "--pid")
        return printed(*enter, *command)

    def virsh(self, *words: str) -> str:
        """What somebody does at the host's own prompt."""
        return printed("virsh", "-c", self.uri, *words)

    def restart_libvirtd(self, how: int = signal.SIGTERM) -> None:
        """End libvirtd and wait for the next one; guests run on."""
        ended = self.pid("libvirtd")
        os.kill(ended, how)
        # While one goes and the next one comes there may be none.
        eventually(lambda: any(name == "libvirtd" and pid != ended for pid, name in self.programs().items()), "restart")
        self.wait_until_it_answers()

    def stop(self) -> None:
        """End the host with everything on it."""
        self.process.kill()
        self.process.wait()
        if self.doors:
            self.doors.close()
        shutil.rmtree(self.folder, ignore_errors=True)
