"""A lab host leaves nothing behind, however it ends, and hides the machine's own libvirt from its guests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab.guests import Guests
from tests.lab.machine import PREFIX, LabHost, eventually, own_folder
from vms.demo.guest import Guest

ROOT = Path(__file__).parents[2]
STARTS_ONE = """
import sys
from tests.lab.machine import LabHost
host = LabHost("doomed")
print(host.folder, *host.pids(), flush=True)
sys.stdin.read()
"""


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_stopping_it_ends_its_guests_and_takes_its_folder_away(guest_files: Guest) -> None:
    host = LabHost("short")
    Guests(host, guest_files).make("left-running").domain.create()
    host.virsh("net-start", "default")
    pids = host.pids()
    names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids}
    assert {"libvirtd", "virtlogd", "dnsmasq", "qemu-system-x86"} <= names
    host.stop()
    eventually(lambda: not alive(pids), "all its processes ended")
    assert not host.folder.exists()
    assert str(host.folder) not in Path("/proc/mounts").read_text()


def test_killing_who_started_it_ends_it_too() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert owner.stdout and owner.stdin
    folder, *words = owner.stdout.readline().split()
    pids = [int(word) for word in words]
    assert len(alive(pids)) >= 4
    owner.kill()
    owner.wait()
    owner.stdout.close()
    owner.stdin.close()
    eventually(lambda: not alive(pids), "all its processes ended")
    shutil.rmtree(own_folder(PREFIX))
    assert not Path(folder).exists(), "the next one takes its folder away"


def test_its_libvirtd_comes_back_and_its_guests_never_notice(guests: Guests, lab_host: LabHost) -> None:
    guest = guests.make("steady", start=True)
    lab_host.restart_libvirtd()
    guest.wait_for_count()
    assert lab_host.virsh("domstate", "steady").strip() == "running"
    assert len(guest.boots()) == 1


def test_it_has_a_name_and_a_network_of_its_own(lab_host: LabHost) -> None:
    assert lab_host.run("hostname").strip() == "lab-a"
    assert lab_host.run("ip", "-o", "link", "show").count("\n") <= 2  # lo, and virbr0 where a test has left it
    assert os.uname().nodename != "lab-a"
