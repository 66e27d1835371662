"""Two lab hosts with a cable between them, and what is asked of VMs that go from one to the other."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import libvirt
from lxml import etree
from lxml.builder import E

from tests.lab.doors import command
from tests.lab.fixtures import FORGET
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, address, eventually, own_folder
from tests.lab.stack import Dashboard
from vms.demo import guest

ADD = """
from django.conf import settings
from vms.models import Host, MoveRoute
here = Host.objects.get(name="{here}")
there = Host.objects.create(name="{there}", transport="unix", socket="{socket}", node=settings.ENVIRONMENT.node)
MoveRoute.objects.create(source=here, target=there, address="{first}")
MoveRoute.objects.create(source=there, target=here, address="{second}")
print("row", here.pk, there.pk)
"""
ADD_THIRD = """
from django.conf import settings
from vms.models import Host, MoveRoute
third = Host.objects.create(name="{name}", transport="unix", socket="{socket}", node=settings.ENVIRONMENT.node)
MoveRoute.objects.create(source_id={before}, target=third, address="{first}")
MoveRoute.objects.create(source=third, target_id={before}, address="{back}")
MoveRoute.objects.create(source=third, target_id={after}, address="{second}")
print("row", third.pk)
"""
CABLE = "moves"


@contextmanager
def cable(first: LabHost, second: LabHost, name: str = CABLE, *, at: int = 0) -> Iterator[None]:
    """A pair of virtual cards between the two, which nobody else is on, with the addresses of that number + 1 and 2."""
    one, other = str(first.first_pid), str(second.first_pid)
    command("ip", "link", "add", name, "netns", one, "type", "veth", "peer", "name", name, "netns", other)
    for number, host in ((at + 1, first), (at + 2, second)):
        host.run("ip", "address", "add", f"{address(number)}/30", "dev", name)
        host.run("ip", "link", "set", name, "up")
    try:
        yield
    finally:
        # It goes with each of them.
        if first.process.poll() is None and second.process.poll() is None:
            first.run("ip", "link", "del", name)


@dataclass
class Pair:
    """here: where guests are made, or whereto they come by the pair before; there: whereto they go. ids: the hosts'
    rows. cable: what it is called that is between the two."""

    dashboard: Dashboard
    here: LabHost
    there: LabHost
    ids: dict[str, int]
    guests: Guests
    cable: str = CABLE
    before: Pair | None = None

    @property
    def hosts(self) -> tuple[LabHost, ...]:
        """All of them, the first one first."""
        return (*(self.before.hosts if self.before else (self.here,)), self.there)

    def move(self, vm: int, host: LabHost, **wish: Any) -> int:
        """The operation."""
        return self.dashboard.ask(vm, "migrate", {"host": self.ids[host.name], **wish})

    def moved(self, vm: int, host: LabHost, **wish: Any) -> dict[str, Any]:
        """The same, ended well."""
        ended = self.dashboard.await_operation(self.move(vm, host, **wish), within=90)
        self.await_there(vm, host)
        return ended

    def await_there(self, vm: int, host: LabHost) -> None:
        eventually(
            lambda: self.dashboard.get(f"/vms/{vm}")["host"]["id"] == self.ids[host.name], f"it is on {host.name}"
        )

    def await_shown_once(self, vm: int) -> None:
        """What the other host had of it is known to be gone: until then that is in the way of the next move."""
        shown = "select 1 from vms_placement where vm_id = ? and present"
        eventually(lambda: len(self.dashboard.query(shown, vm)) == 1, "it is shown on one host alone")

    def defined(self, guest: LabGuest) -> list[str]:
        """The names of the hosts that have it, by their own word."""
        return [host.name for host in self.hosts if state(host, guest.uuid) is not None]

    def pools(self, *names: str) -> dict[str, int]:
        """Their ids, as soon as they are known to be started: into another nothing is moved."""

        def known() -> dict[str, int] | None:
            there = self.dashboard.get("/pools?page_size=200")["items"]
            found = {one["name"]: one["id"] for one in there if one["active"]}
            return {name: found[name] for name in names} if set(names) <= set(found) else None

        return eventually(known, f"{names} are known")

    def runs_here(self, guest: LabGuest) -> bool:
        return bool(state(self.here, guest.uuid) == libvirt.VIR_DOMAIN_RUNNING)

    def runs(self, guest: LabGuest) -> list[str]:
        """The names of the hosts on which it runs, by their own word."""
        return [host.name for host in self.hosts if state(host, guest.uuid) == libvirt.VIR_DOMAIN_RUNNING]

    def started_by(self, guest: LabGuest) -> list[str]:
        """The names of the hosts that start it when they start themselves, by their own word."""
        return [host.name for host in self.hosts if starts(host, guest.uuid)]


@contextmanager
def paired(dashboard: Dashboard, here: LabHost, files: guest.Guest) -> Iterator[Pair]:
    """A second host for the running dashboard, lab-b, as long as the body runs."""
    there = LabHost("lab-b", doors=True)
    name = dashboard.get("/hosts")["items"][0]["name"]
    added = ADD.format(here=name, there=there.name, socket=there.socket, first=address(2), second=address(1))
    ids = [int(word) for word in dashboard.do(added).split()[-2:]]
    guests = Guests(here, files)
    try:
        with cable(here, there):
            yield Pair(dashboard, here, there, dict(zip((here.name, there.name), ids, strict=True)), guests)
    finally:
        guests.remove_all()
        dashboard.do(FORGET.format(pk=ids[1]))
        there.stop()


@contextmanager
def onward(pair: Pair) -> Iterator[Pair]:
    """A third host, lab-c, to which VMs go from the second one, and from which to the first."""
    made = LabHost("lab-c")
    added = ADD_THIRD.format(
        name=made.name, socket=made.socket, before=pair.ids[pair.there.name], first=address(6),
        after=pair.ids[pair.here.name], second=address(10), back=address(5),
    )  # fmt: skip
    pair.ids[made.name] = int(pair.dashboard.do(added).split()[-1])
    try:
        with cable(pair.there, made, "moves-on", at=4), cable(made, pair.here, "moves-home", at=8):
            yield Pair(pair.dashboard, pair.there, made, pair.ids, pair.guests, "moves-on", pair)
    finally:
        pair.dashboard.do(FORGET.format(pk=pair.ids.pop(made.name)))
        made.stop()


def state(host: LabHost, identity: str) -> int | None:
    """libvirt's number, None where the host has no such VM."""
    connection = host.connect()
    try:
        return int(connection.lookupByUUIDString(identity).state()[0])
    except libvirt.libvirtError:
        return None
    finally:
        connection.close()


def starts(host: LabHost, identity: str) -> bool:
    connection = host.connect()
    try:
        return any(
            one.UUIDString() == identity
            for one in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
        )
    finally:
        connection.close()


def all_of(pair: Pair, name: str) -> list[int] | None:
    """The pools of that name, once each host has told of its own."""
    found = pool_ids(pair.dashboard, name)
    return found if len(found) == len(pair.hosts) else None


def pool_ids(dashboard: Dashboard, name: str) -> list[int]:
    return [one["id"] for one in dashboard.get("/pools?page_size=200")["items"] if one["name"] == name]


def joined(dashboard: Dashboard, first: int, other: int) -> bool:
    """Whether the two pools are one storage from now on; why not, is printed."""
    answer = dashboard.post(f"/pools/{first}/join", {"pool": other})
    if answer.status != 200:
        print(answer.body)
    return answer.status == 200


@contextmanager
def slow_cable(pair: Pair) -> Iterator[None]:
    """1 MiB/s, which no libvirt knows of."""
    rate = ("tbf", "rate", "8mbit", "burst", "64k", "latency", "1s")
    pair.here.run("tc", "qdisc", "add", "dev", pair.cable, "root", *rate)
    try:
        yield
    finally:
        pair.here.run("tc", "qdisc", "del", "dev", pair.cable, "root")


@contextmanager
def shared_pool(pair: Pair) -> Iterator[tuple[str, Path]]:
    """One folder that is a pool of all hosts, as an administrator says: its name and where it is."""
    folder, name = own_folder("kvmweb-shared-"), f"shared-{uuid.uuid4().hex[:8]}"
    # Until it is written, who looks later finds it larger, and two pools that differ are not joined.
    with (folder / "owner").open("rb") as owner:
        os.fsync(owner.fileno())
    document = etree.tostring(E.pool(E.name(name), E.target(E.path(str(folder))), type="dir"), encoding="unicode")
    for host in pair.hosts:
        host.connect().storagePoolDefineXML(document).create()
    first, *others = eventually(lambda: all_of(pair, name), "their pools are known")
    for other in others:
        # As soon as both are known to be started.
        eventually(partial(joined, pair.dashboard, first, other), "they are one storage")
    yield name, folder
    for host in pair.hosts:
        there = host.connect().storagePoolLookupByName(name)
        there.destroy()
        there.undefine()
    shutil.rmtree(folder)
