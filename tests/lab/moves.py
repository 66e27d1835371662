"""Two lab hosts with a cable between them, and what is asked of VMs that go from one to the other."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import libvirt
from lxml import etree
from lxml.builder import E

from tests.lab.doors import command
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, address, eventually, own_folder
from tests.lab.stack import Dashboard
from tests.lab.test_serial import command as command_in
from tests.lab.test_serial import opened

ADD = """
from django.conf import settings
from vms.models import Host, MoveRoute
here = Host.objects.get(name="{here}")
there = Host.objects.create(name="{there}", transport="unix", socket="{socket}", node=settings.ENVIRONMENT.node)
MoveRoute.objects.create(source=here, target=there, address="{first}")
MoveRoute.objects.create(source=there, target=here, address="{second}")
print("row", here.pk, there.pk)
"""
CABLE = "moves"
COUNT = (
    b"i=0; while :; do i=$((i+1)); echo $i | dd of=/dev/vda bs=512 seek=$i conv=sync,fsync,notrunc 2>/dev/null; "
    b"echo n $i > /dev/ttyS0; sleep 1; done &\r"
)


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


@dataclass
class Counter:
    """A guest that counts, each second, on its serial line and its disk. folder: where that is."""

    pair: Pair
    guest: LabGuest
    vm: int
    folder: Path
    name: str

    def said(self) -> list[int]:
        """What it counted aloud."""
        return [int(line.split()[1]) for line in self.guest.lines() if re.fullmatch(r"n \d+\r?", line)]

    def written(self) -> list[int]:
        """What it counted on its disk, a sector for each."""
        found = (self.folder / self.name).read_bytes()
        words = (found[at : at + 512].split(b"\n")[0].decode() for at in range(512, 1 << 20, 512))
        return [int(word) for word in takewhile(bool, (word.strip("\0") for word in words))]

    def counted_on(self) -> None:
        """It counts on, has counted every number, and has each on its disk."""
        last = self.said()[-1]
        eventually(lambda: self.said()[-1] >= last + 2, "it counts on", within=30)
        said = self.said()
        assert said == list(range(1, said[-1] + 1)), said
        written = self.written()
        assert written == list(range(1, written[-1] + 1)) and written[-1] >= last, (written, last)

    def remove(self) -> None:
        for host in (self.pair.here, self.pair.there):
            self.guest.host = host
            self.guest.remove()


def counter(pair: Pair, name: str, pool: str, folder: Path) -> Counter:
    """A new one, with a raw disk in that pool of the first host."""
    connection = pair.here.connect()
    volume = f"{name}.raw"
    document = E.volume(E.name(volume), E.capacity(str(8 << 20)), E.target(E.format(type="raw")))
    connection.storagePoolLookupByName(pool).createXML(etree.tostring(document, encoding="unicode"))
    with (folder / volume).open("r+b") as file:
        file.seek(1 << 20)
        file.write(os.urandom(6 << 20))
    made = pair.guests.make(name, shell=True)
    disk = E.disk(
        E.driver(name="qemu", type="raw"), E.source(pool=pool, volume=volume), E.target(dev="vda", bus="virtio"),
        type="volume", device="disk",
    )  # fmt: skip
    made.domain.attachDeviceFlags(etree.tostring(disk, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    made.start()
    vm = pair.dashboard.vm(made.uuid)
    pair.dashboard.await_state(vm, "running")
    found = Counter(pair, made, vm, folder, volume)
    with opened(made) as line:
        command_in(line, COUNT)
        eventually(found.said, "it counts", within=30)
    eventually(lambda: is_known(pair.dashboard, pool, vm), "its volume is known", within=60, every=2)
    return found


def is_known(dashboard: Dashboard, pool: str, vm: int) -> bool:
    """Whether the dashboard knows what its disk is on; else the pools of that name are looked through."""
    if dashboard.query("select 1 from vms_volume_vms where virtualmachine_id = ?", vm):
        return True
    for pk in pool_ids(dashboard, pool):
        refreshed = dashboard.post(f"/pools/{pk}/refresh")
        dashboard.await_operation(refreshed.body["operation"]["id"])
    return False
