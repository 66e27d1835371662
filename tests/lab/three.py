"""Three lab hosts, each with a cable to both others, and guests on them that work a known part of the time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import libvirt
from lxml import etree

from tests.lab.fixtures import FORGET
from tests.lab.guests import WITH_ALL, Guests, LabGuest
from tests.lab.machine import LabHost, address, eventually
from tests.lab.moves import cable, state
from tests.lab.stack import Dashboard
from tests.lab.test_serial import command as command_in
from tests.lab.test_serial import opened
from vms.demo import guest

RUNNING = libvirt.VIR_DOMAIN_RUNNING
ADD = """
from django.conf import settings
from vms.models import Host, MoveRoute
rows = [Host.objects.create(name=name, transport="unix", socket=socket, node=settings.ENVIRONMENT.node)
        for name, socket in {hosts!r}]
for source, target, address in {routes!r}:
    MoveRoute.objects.create(source=rows[source], target=rows[target], address=address)
print("rows", *[row.pk for row in rows])
"""
# Between which hosts there is a cable, and the first number of its addresses.
CABLES = ((0, 1, 0), (1, 2, 4), (2, 0, 8))
# In each round it counts one further, works until so many hundredths of a second are over, and sleeps for the rest.
WORK = (
    "i=0; while :; do i=$((i+1)); echo n $i > /dev/ttyS0; read -r u r < /proc/uptime; "
    "e=$((${{u%.*}}${{u#*.}}+{work})); "
    "while read -r u r < /proc/uptime; [ ${{u%.*}}${{u#*.}} -lt $e ]; do :; done; sleep 0.{rest:02}; done &\r"
)


@dataclass
class Three:
    """ids: of their rows, by name."""

    dashboard: Dashboard
    hosts: list[LabHost]
    ids: dict[str, int]
    files: guest.Guest

    def make(self, number: int, *names: str, mib: int = 128) -> list[LabGuest]:
        """Guests on the host of that number, of so much memory, that are started and may not have booted."""
        makes = Guests(self.hosts[number], self.files)
        guests = [makes.make(name, graphics=None, shell=True) for name in names]
        for one in guests:
            root: Any = etree.fromstring(one.domain.XMLDesc(0))
            for name in ("memory", "currentMemory"):
                root.find(name).text = str(mib << 10)
            self.hosts[number].connect().defineXML(etree.tostring(root, encoding="unicode"))
            one.domain.create()
        return guests

    def runs(self, one: LabGuest) -> list[str]:
        """The names of the hosts on which it runs, by their own word; of one that is no more it is asked nothing."""
        there = [host for host in self.hosts if host.process.poll() is None]
        return [host.name for host in there if state(host, one.uuid) == RUNNING]

    def clear(self) -> None:
        """Take away all VMs."""
        for host in self.hosts:
            if host.process.poll() is None:
                for domain in host.connect().listAllDomains():
                    # What was still moving goes by itself.
                    with suppress(libvirt.libvirtError):
                        if domain.isActive():
                            domain.destroy()
                        if domain.isPersistent():
                            domain.undefineFlags(WITH_ALL)


@contextmanager
def three(dashboard: Dashboard, files: guest.Guest) -> Iterator[Three]:
    """lab-1 to lab-3, as long as the body runs, which may kill one."""
    with ExitStack() as stack:
        hosts = []
        for number in (1, 2, 3):
            hosts.append(LabHost(f"lab-{number}"))
            stack.callback(hosts[-1].stop)
        for one, other, at in CABLES:
            stack.enter_context(cable(hosts[one], hosts[other], f"cable-{at}", at=at))
        routes = [
            route
            for one, other, at in CABLES
            for route in ((one, other, address(at + 2)), (other, one, address(at + 1)))
        ]
        added = ADD.format(hosts=[(host.name, str(host.socket)) for host in hosts], routes=routes)
        ids = [int(word) for word in dashboard.do(added).split()[-3:]]
        made = Three(dashboard, hosts, dict(zip((host.name for host in hosts), ids, strict=True)), files)
        try:
            yield made
        finally:
            made.clear()
            for pk in ids:
                dashboard.do(FORGET.format(pk=pk))


def works(one: LabGuest, part: int) -> None:
    """From now on it works so many hundredths of the time, and counts once a second."""
    with opened(one) as line:
        command_in(line, WORK.format(work=part, rest=100 - part).encode())
        eventually(lambda: counted(one), f"{one.name} counts", within=30)


def counted(one: LabGuest) -> list[int]:
    return [int(line.split()[1]) for line in one.lines() if re.fullmatch(r"n \d+\r?", line)]


def counted_on(one: LabGuest) -> None:
    """It counts on, has counted every number, and was started once."""
    last = counted(one)[-1]
    eventually(lambda: counted(one)[-1] >= last + 2, f"{one.name} counts on", within=60)
    said = counted(one)
    assert said[0] == 1 and all(after == before + 1 for before, after in pairwise(said)), said
    assert len(one.boots()) == 1
