"""Only the very processes that were written down are ended."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmweb.supervisor.leftovers import Register, end
from kvmweb.supervisor.proc import Identity, identify
from tests.supervisor.conftest import alive


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "100"])
    yield process
    process.kill()
    process.wait()


def known(process: subprocess.Popen[bytes]) -> Identity:
    identity = identify(process.pid)
    assert identity
    return identity


def test_it_ends_what_was_written_down(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    register = Register(tmp_path / "processes.json")
    register.write([known(sleeper)])
    assert end(Register(tmp_path / "processes.json").read()) == 1
    assert not alive(sleeper.pid)


def test_it_spares_another_process_with_the_same_number(sleeper: subprocess.Popen[bytes]) -> None:
    assert end([Identity(sleeper.pid, known(sleeper).started - 1)]) == 0
    assert alive(sleeper.pid)


def test_it_spares_everything_after_a_reboot(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    Register(path).write([known(sleeper)])
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "another"}))
    assert Register(path).read() == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"boot": 1}', '{"processes": 3}'])
def test_a_broken_file_names_nobody(content: str, tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    path.write_text(content)
    assert Register(path).read() == []


def test_a_dead_process_is_nobody(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()
    assert identify(sleeper.pid) is None
