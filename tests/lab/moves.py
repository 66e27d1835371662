"""Two lab hosts with a cable between them, and what is asked of VMs that go from one to the other."""

from __future__ import annotations

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
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, address, eventually, own_folder
from tests.lab.stack import Dashboard

ADD = """
from django.conf import settings
from vms.models import Host, MoveRoute
here = Host.objects.get(name="{here}")
there = Host.objects.create(name="{there}", transport="unix", socket="{socket}", node=settings.ENVIRONMENT.node)
MoveRoute.objects.create(source=here, target=there, address="{first}")
MoveRoute.objects.create(source=there, target=here, address="{second}")
print("row", here.pk, there.pk)
"""
ASK = """
from vms.kinds.migration import Migrate
from vms.models import Host, User, VirtualMachine
from vms.permissions import Actor
from vms.services.migration import ask
host = Host.objects.get(pk={host})
wish = Migrate(host.pk, {wish})
print(ask(Actor(User.objects.get(username="admin")), VirtualMachine.objects.get(pk={vm}), host, wish).pk)
"""
SHARED = """
from vms.models import Storage, StoragePool
pools = StoragePool.objects.filter(name="{name}")
storage = Storage.objects.create(trusted=True)
pools.update(storage=storage, by_hand=True)
"""
CABLE = "moves"


@contextmanager
def cable(first: LabHost, second: LabHost) -> Iterator[None]:
    """A pair of virtual cards between the two, which nobody else is on."""
    one, other = str(first.first_pid), str(second.first_pid)
    command("ip", "link", "add", CABLE, "netns", one, "type", "veth", "peer", "name", CABLE, "netns", other)
    for number, host in ((1, first), (2, second)):
        host.run("ip", "address", "add", f"{address(number)}/30", "dev", CABLE)
        host.run("ip", "link", "set", CABLE, "up")
    yield
    first.run("ip", "link", "del", CABLE)


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
        words = ", ".join(f"{name}={value!r}" for name, value in wish.items())
        return int(self.dashboard.do(ASK.format(vm=vm, host=self.ids[host.name], wish=words)).split()[-1])

    def moved(self, vm: int, host: LabHost, **wish: Any) -> dict[str, Any]:
        """The same, ended well."""
        ended = self.dashboard.await_operation(self.move(vm, host, **wish), within=90)
        self.await_there(vm, host)
        return ended

    def await_there(self, vm: int, host: LabHost) -> None:
        eventually(
            lambda: self.dashboard.get(f"/vms/{vm}")["host"]["id"] == self.ids[host.name], f"it is on {host.name}"
        )

    def runs(self, guest: LabGuest) -> list[str]:
        """The names of the hosts on which it runs, by their own word."""
        return [host.name for host in (self.here, self.there) if state(host, guest.uuid) == libvirt.VIR_DOMAIN_RUNNING]


def state(host: LabHost, identity: str) -> int | None:
    """libvirt's number, None where the host has no such VM."""
    connection = host.connect()
    try:
        return int(connection.lookupByUUIDString(identity).state()[0])
    except libvirt.libvirtError:
        return None
    finally:
        connection.close()


@contextmanager
def shared_pool(pair: Pair) -> Iterator[tuple[str, Path]]:
    """One folder that is a pool of both hosts, as an administrator says: its name and where it is."""
    folder, name = own_folder("kvmweb-shared-"), f"shared-{uuid.uuid4().hex[:8]}"
    document = etree.tostring(E.pool(E.name(name), E.target(E.path(str(folder))), type="dir"), encoding="unicode")
    made = [host.connect().storagePoolDefineXML(document) for host in (pair.here, pair.there)]
    for pool in made:
        pool.create()
    eventually(
        lambda: str(pair.dashboard.get("/pools?page_size=200")).count(f"'{name}'") == 2, "both pools are known"
    )  # fmt: skip
    pair.dashboard.do(SHARED.format(name=name))
    yield name, folder
    for pool in made:
        pool.destroy()
        pool.undefine()
