"""Whole dashboards, started as scripts/run does after its steps; libvirt is not there, which stops nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tables
from tests.supervisor.conftest import alive, eventually
from tests.supervisor.test_nginx import free_port

PASSWORD = "a-first-password-that-nobody-sees"


class Instance:
    """A state folder, a port, and the supervisor that runs on them."""

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(root), "KVMWEB_STATE_DIR": str(root / "s"),
            "KVMWEB_PORT": str(port), "KVMWEB_LIBVIRT_SOCKET": str(root / "none"), "KVMWEB_ADMIN_PASSWORD": PASSWORD,
        }  # fmt: skip
        self.output = root / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def setup(self, given: str = "") -> None:
        root = Path(__file__).parents[2]
        command = [sys.executable, str(root / "manage.py"), "setup", "--password-from-stdin"]
        subprocess.run(command, env=self.environment, input=given.encode(), check=True)

    def start(self) -> subprocess.Popen[bytes]:
        with self.output.open("wb") as output:
            command = [sys.executable, "-m", "kvmweb.supervisor"]
            self.process = subprocess.Popen(command, env=self.environment, stdout=output, stderr=output)
        return self.process

    def started(self) -> subprocess.Popen[bytes]:
        process = self.start()
        eventually(lambda: "Ctrl-C" in self.output.read_text(), 60)
        assert self.status("/readyz") == 200, self.output.read_text()
        return process

    def status(self, path: str) -> int:
        connection: http.client.HTTPConnection
        if "KVMWEB_BIND" in self.environment:
            trusting = ssl.create_default_context(cafile=str(self.root / "s/web/tls.crt"))
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=10, context=trusting)
        else:
            connection = http.client.HTTPConnection("localhost", self.port, timeout=10)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                with connection.getresponse() as answer:
                    return answer.status
            except OSError:
                return 0

    def processes(self) -> list[int]:
        register = json.loads((self.root / "s/processes.json").read_text())
        return [pid for pid, _ in register["processes"]]

    def stop(self) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=40)


@pytest.fixture
def instances(tmp_path: Path) -> Iterator[list[Instance]]:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made.append(Instance(tmp_path / name, free_port()))
    yield made
    for instance in made:
        instance.stop()


def test_two_run_side_by_side_and_one_ends_without_the_other(instances: list[Instance]) -> None:
    """The second with TLS; it is asked as by a browser that trusts its certificate."""
    first, second = instances
    second.environment["KVMWEB_BIND"] = "0.0.0.0"
    for instance in instances:
        tables.lay(instance.root / "s/db/kvmweb.sqlite3")
        instance.setup()
    first.start()
    second.started()
    eventually(lambda: first.status("/readyz") == 200, 60)
    of_first = first.processes()
    assert first.stop() == 0
    assert not any(alive(pid) for pid in of_first)
    assert first.output.read_text().splitlines()[-1] == "Dashboard stopped."
    assert second.status("/readyz") == 200
    assert "SHA-256" in second.output.read_text()


def test_a_killed_one_starts_again_and_a_second_on_the_same_folder_does_not(instances: list[Instance]) -> None:
    instance = instances[0]
    instance.setup(PASSWORD + "\n")
    killed = instance.started()
    left = instance.processes()
    assert len(left) >= 6
    for pid in left:
        assert PASSWORD.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    killed.kill()
    killed.wait()
    instance.started()
    assert not any(alive(pid) for pid in left)

    twin = Instance(instance.root, free_port())
    twin.output = instance.root / "twin"
    assert twin.start().wait(timeout=30) == 1
    assert "running already" in twin.output.read_text()


def test_a_taken_port_is_named(instances: list[Instance]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", instances[0].port))
        other.listen()
        assert instances[0].start().wait(timeout=30) == 1
    instances[0].process = None
    assert f"port {instances[0].port}" in instances[0].output.read_text()
