"""Two lab hosts with a cable between them, and what is asked of VMs that go from one to the other."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    """hosts: here, where guests are made, and there, with their rows' ids."""

    dashboard: Dashboard
    here: LabHost
    there: LabHost
    ids: dict[str, int]
    guests: Guests

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

    def defined(self, guest: LabGuest) -> list[str]:
        """The names of the hosts that have it, by their own word."""
        return [host.name for host in (self.here, self.there) if state(host, guest.uuid) is not None]

    def pools(self, *names: str) -> dict[str, int]:
        """Their ids, as soon as they are known."""

        def known() -> dict[str, int] | None:
            found = {one["name"]: one["id"] for one in self.dashboard.get("/pools?page_size=200")["items"]}
            return {name: found[name] for name in names} if set(names) <= set(found) else None

        return eventually(known, f"{names} are known")

    def runs_here(self, guest: LabGuest) -> bool:
        return bool(state(self.here, guest.uuid) == libvirt.VIR_DOMAIN_RUNNING)

    def runs(self, guest: LabGuest) -> list[str]:
        """The names of the hosts on which it runs, by their own word."""
        return [host.name for host in (self.here, self.there) if state(host, guest.uuid) == libvirt.VIR_DOMAIN_RUNNING]


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
def third(pair: Pair) -> Iterator[LabHost]:
    """One more, lab-c, to which VMs go from the second host, and from which to the first."""
    made = LabHost("lab-c")
    added = ADD_THIRD.format(
        name=made.name, socket=made.socket, before=pair.ids[pair.there.name], first=address(6),
        after=pair.ids[pair.here.name], second=address(10),
    )  # fmt: skip
    pair.ids[made.name] = int(pair.dashboard.do(added).split()[-1])
    try:
        with cable(pair.there, made, "moves-on", at=4), cable(made, pair.here, "moves-home", at=8):
            yield made
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


def both(dashboard: Dashboard, name: str) -> list[int] | None:
    """The pools of that name, once each host has told of its own."""
    found = pool_ids(dashboard, name)
    return found if len(found) == 2 else None


def pool_ids(dashboard: Dashboard, name: str) -> list[int]:
    return [one["id"] for one in dashboard.get("/pools?page_size=200")["items"] if one["name"] == name]


@contextmanager
def shared_pool(pair: Pair) -> Iterator[tuple[str, Path]]:
    """One folder that is a pool of both hosts, as an administrator says: its name and where it is."""
    folder, name = own_folder("kvmweb-shared-"), f"shared-{uuid.uuid4().hex[:8]}"
    document = etree.tostring(E.pool(E.name(name), E.target(E.path(str(folder))), type="dir"), encoding="unicode")
    for host in (pair.here, pair.there):
        host.connect().storagePoolDefineXML(document).create()
    pools = eventually(lambda: both(pair.dashboard, name), "both pools are known")
    join = f"/pools/{pools[0]}/join"
    # As soon as both are known to be started.
    eventually(lambda: pair.dashboard.post(join, {"pool": pools[1]}).status == 200, "they are one storage")
    yield name, folder
    for host in (pair.here, pair.there):
        there = host.connect().storagePoolLookupByName(name)
        there.destroy()
        there.undefine()
    shutil.rmtree(folder)
