"""systemd's units in deploy/: well-formed, hardened, and the same processes as the supervisor's."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kvmweb import environment
from kvmweb.supervisor.processes import Program, programs
from scripts.steps import units
from tests.supervisor.conftest import eventually

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
HERE = "/opt/kvmweb/current"
# systemd-analyze's figure: 10 is nothing closed, 0 everything. What opens hosts needs the network and libvirt's socket.
MOST_EXPOSED = {
    "setup": 3.0,
    "redis": 0.9,
    "front": 1.8,
    "web@": 1.7,
    "worker@": 1.7,
    "watcher@": 1.7,
    "console@": 1.7,
    "transfer@": 1.7,
}


def unit_of(name: str) -> tuple[str, str]:
    """(the file, what %i is) of an enabled unit."""
    prefix, _, instance = name.removesuffix(".service").partition("@")
    return (f"{prefix}@.service", instance) if instance else (f"{prefix}.service", "")


def fields(file: str, instance: str = "") -> dict[str, str]:
    """The last value of each setting."""
    text = (DEPLOY / file).read_text().replace("%i", instance)
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


@pytest.mark.parametrize("processes", ["", "web=2,worker=3,watcher=2,console=2,transfer=2"])
def test_the_units_are_the_supervisors_processes(monkeypatch: pytest.MonkeyPatch, processes: str) -> None:
    monkeypatch.setenv("KVMWEB_PROCESSES", processes)
    settings = environment.load()
    found: dict[str, Program] = {program.name: program for program in programs(settings, Path("nginx.conf"))}
    started = {}
    for unit in units.wanted(settings):
        file, instance = unit_of(unit)
        unit_fields = fields(file, instance)
        command = re.fullmatch(
            rf"{HERE}/\.venv/bin/python -m kvmweb\.supervisor\.program (\S+)", unit_fields["ExecStart"]
        )
        assert command, unit
        started[command[1]] = unit_fields
    assert list(started) == list(found)
    for name, program in found.items():
        assert started[name]["User"] == ("kvmweb-web" if program.walled else "kvmweb")
        assert ("libvirt" in started[name].get("SupplementaryGroups", "")) is not (program.walled or name == "redis")
        assert float(started[name]["TimeoutStopSec"]) == program.grace
        assert ("/var/lib/kvmweb/virt" in started[name]["InaccessiblePaths"]) is (program.walled or name == "redis")


def test_without_a_redis_of_its_own_there_is_no_unit_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVMWEB_REDIS_URL", "redis://localhost:6379/0")
    assert "kvmweb-redis.service" not in units.wanted(environment.load())


def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    for unit in DEPLOY.glob("kvmweb*"):
        # Nothing is installed here: the programs are looked for where they are.
        text = unit.read_text().replace(f"{HERE}/.venv/bin/python", sys.executable).replace(HERE, str(ROOT))
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_a_unit_is_closed_as_far_as_it_was(name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", DEPLOY / f"kvmweb-{name}.service"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    figure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert figure, done.stdout + done.stderr
    print(f"kvmweb-{name}.service: {figure[1]}")
    assert float(figure[1]) <= MOST_EXPOSED[name]


def test_every_unit_has_its_figure() -> None:
    assert {path.name.removeprefix("kvmweb-") for path in DEPLOY.glob("*.service")} == {
        f"{name}.service" for name in MOST_EXPOSED
    }


def start(name: str, state: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "kvmweb.supervisor.program", name], cwd=ROOT, stderr=subprocess.PIPE,
        env={**os.environ, "KVMWEB_STATE_DIR": str(state)}, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_unit_becomes_its_process(tmp_path: Path) -> None:
    state = environment.State(tmp_path / "s")
    state.prepare()
    with start("redis", state.root) as process:
        try:
            eventually(lambda: state.socket("redis").exists(), 30)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(state.socket("redis")))
                client.sendall(b"PING\r\n")
                assert client.recv(16) == b"+PONG\r\n"
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def test_a_process_that_the_settings_do_not_have_is_named(tmp_path: Path) -> None:
    with start("web-2", tmp_path / "s") as process:
        assert process.stderr and "no process 'web-2'" in process.stderr.read().decode()
    assert process.returncode == 1
