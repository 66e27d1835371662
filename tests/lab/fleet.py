"""Many hosts of which nothing is real: libvirtds with no driver but libvirt's test driver, 4 MB each.

Each has VMs of its own (vms.demo.fleet), six of ten running. They are reached by unix sockets, as any other host here.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt

from kvmweb.second.namespaces import children
from tests.lab.machine import eventually, own_folder
from tests.lab.stack import ROOT, Dashboard
from vms.demo import fleet

# Rows of hosts as the API would add them, one command for all.
ADD = """
import json, sys
from django.conf import settings
from vms.models import Host
Host.objects.all().delete()
for name, socket in json.load(sys.stdin):
    Host.objects.create(name=name, transport="unix", driver="test", socket=socket, node=settings.ENVIRONMENT.node)
"""


def numbers(host: int, each: int) -> range:
    """Which VMs of the fleet the host has."""
    return range(host * each, (host + 1) * each)


class Fleet:
    """Running from the beginning to stop(), which is also what happens when this process is killed."""

    def __init__(self, hosts: int, each: int = 100) -> None:
        self.each = each
        self.folder = own_folder("kvmweb-fleet-")
        self.names = [f"rack-{number:03}" for number in range(hosts)]
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             sys.executable, "-m", "tests.lab.fleet_inside", self.folder, str(hosts), str(each)],
            cwd=ROOT,
        )  # fmt: skip
        try:
            eventually(self.is_made, "the fleet's VMs are made", within=300)
        except BaseException:
            self.stop()
            raise

    def is_made(self) -> bool:
        assert self.process.poll() is None, "the fleet's first process ended"
        return (self.folder / "made").exists()

    def socket(self, host: int) -> Path:
        return self.folder / self.names[host] / "libvirt-sock"

    def connect(self, host: int) -> libvirt.virConnect:
        return libvirt.open(f"test+unix:///default?socket={self.socket(host)}")

    def daemon(self, host: int) -> int:
        """The pid of the host's libvirtd, as this namespace counts."""
        [first] = children(self.process.pid)
        place = str(self.folder / self.names[host])
        return next(pid for pid in children(first) if place in Path(f"/proc/{pid}/cmdline").read_text())

    def crash(self, host: int) -> None:
        """Kill its libvirtd; the next one makes the same VMs anew, in the states of the beginning."""
        os.kill(self.daemon(host), signal.SIGKILL)

    @contextmanager
    def hung(self, hosts: range) -> Iterator[None]:
        """Their libvirtds stand still."""
        stopped = [self.daemon(host) for host in hosts]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)

    def add_to(self, dashboard: Dashboard, hosts: range) -> None:
        """Let the dashboard have these hosts, in the place of the one that it began with."""
        rows = json.dumps([[self.names[host], str(self.socket(host))] for host in hosts])
        dashboard.manage("shell", "-c", ADD, given=rows)

    def states(self, host: int) -> dict[str, str]:
        """{uuid: state} as the host's libvirt has it."""
        connection = self.connect(host)
        lists = {"running": "RUNNING", "paused": "PAUSED", "shut_off": "SHUTOFF"}
        found = {
            domain.UUIDString(): state
            for state, flag in lists.items()
            for domain in connection.listAllDomains(getattr(libvirt, f"VIR_CONNECT_LIST_DOMAINS_{flag}"))
        }
        connection.close()
        return found

    def began_anew(self, hosts: range) -> bool:
        """Whether each of them answers and has its VMs in the states of the beginning."""
        try:
            return all(self.states(host) == self.expected(range(host, host + 1)) for host in hosts)
        except libvirt.libvirtError:
            return False

    def expected(self, hosts: range) -> dict[str, str]:
        """{uuid: state} of all VMs of these hosts, as they were made."""
        return {fleet.identity(number): fleet.state(number) for host in hosts for number in numbers(host, self.each)}

    def stop(self) -> None:
        """End all of it."""
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
