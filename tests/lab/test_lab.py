"""`scripts/lab`: hosts for a person, entered and reached, and nothing of them afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab import keeper
from tests.lab.far import ssh_key
from tests.lab.machine import PREFIX, eventually
from vms.virt import HostSpec, connect, offered_key

ROOT = Path(__file__).parents[2]


def lab(*words: str) -> str:
    done = subprocess.run(
        [ROOT / "scripts/lab", *words], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def left(addresses: list[str]) -> list[str]:
    """What is still there of hosts at these addresses."""
    rules = subprocess.check_output(("ip", "rule"), text=True)
    cards = subprocess.check_output(("ip", "-o", "address"), text=True)
    networks = [address.rpartition(".")[0] + "." for address in addresses]
    found = [network for network in networks if network in rules or network in cards]
    return [*found, *([str(keeper.FOLDER)] if keeper.FOLDER.exists() else [])]


@pytest.mark.parametrize("how", ["down", "killed"])
def test_it_comes_up_is_reached_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr("vms.virt.ssh.unseal", lambda sealed, bound_to, key_file: sealed)
    if keeper.running():
        pytest.fail("a lab is up: take it down with scripts/lab down")
    try:
        told = lab("up", "2", "--no-guests")
        addresses = re.findall(r"ssh +address (\S+), user root", told)
        address = addresses[1]
        assert "lab-b" in told and address in lab("status")
        public, private = ssh_key()
        home = Path("/root/.ssh/authorized_keys")
        was = home.read_bytes() if home.exists() else b""
        lab("enter", "lab-b", "sh", "-c", f"mkdir -p ~/.ssh && echo '{public}' >> ~/.ssh/authorized_keys")
        assert (home.read_bytes() if home.exists() else b"") == was
        spec = HostSpec("ssh", "qemu", address=address, sealed=private)
        spec = HostSpec("ssh", "qemu", address=address, sealed=private, host_key=offered_key(spec))
        with connect(spec) as connection:
            assert connection.info().hostname == "lab-b"
        folders = [Path(host["socket"]).parents[2] for host in keeper.hosts()]
        assert all(folder.name.startswith(PREFIX) for folder in folders)
        if how == "killed":
            pid = keeper.running()
            assert pid
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: not keeper.running(), "the keeper is dead")
    finally:
        lab("down")
    eventually(lambda: not left(addresses), "everything is gone")
    assert not [folder for folder in folders if folder.exists()]
    assert "No lab host runs" in lab("status")
