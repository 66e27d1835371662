"""Snapshots of real guests: the marker on the disk, and the count in memory, are always those of the state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Answer, Dashboard

MIB = 1 << 20
BLOCK = 4096


@dataclass(frozen=True)
class Kept:
    """A guest with a qcow2 disk of its own, as its host and as the dashboard knows it."""

    guest: LabGuest
    pool: LabPool
    dashboard: Dashboard
    vm: int

    @property
    def path(self) -> str:
        return f"/vms/{self.vm}/snapshots"

    @property
    def host(self) -> LabHost:
        return self.guest.host

    def disk(self) -> str:
        """What it is on now, as its host calls it."""
        root = etree.fromstring(self.guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        [source] = root.findall("devices/disk[@device='disk']/source")
        return str(source.get("file"))

    def write(self, marker: int) -> None:
        """While it is off."""
        self.host.run("qemu-io", "-f", "qcow2", "-c", f"write -P {marker} 0 {BLOCK}", self.disk())

    def marker(self) -> int:
        """Likewise; a host may hold the disk open while it runs."""
        told = self.host.run("qemu-io", "-U", "-r", "-f", "qcow2", "-c", "read -v 0 16", self.disk())
        return int(told.split()[1], 16)

    def names(self) -> list[str]:
        return sorted(one.getName() for one in self.guest.domain.listAllSnapshots())

    def current(self) -> str:
        return str(self.guest.domain.snapshotCurrent().getName())

    def ask(self, method: str, rest: str = "", body: Any = None) -> Answer:
        return self.dashboard.request(method, f"/api/v1{self.path}{rest}", body)

    def done(self, answer: Answer) -> dict[str, Any]:
        assert answer.status == 202, answer.body
        ended = self.dashboard.await_operation(
            answer.body["operation"]["id"], "succeeded", "failed", "refused", "unknown", within=60
        )
        assert ended["state"] == "succeeded", ended
        self.known()
        return ended

    def known(self) -> None:
        """Until the dashboard knows what its host has."""
        eventually(lambda: self.told() == self.names(), "its snapshots are known")

    def told(self) -> list[str]:
        found: list[str] = []
        left = list(self.dashboard.get(self.path)["items"])
        while left:
            one = left.pop()
            found.append(one["name"])
            left += one["children"]
        return sorted(found)

    def state(self, state: str) -> None:
        self.dashboard.await_state(self.vm, state)

    def take(self, name: str, **wish: Any) -> dict[str, Any]:
        return self.done(self.ask("POST", "", {"name": name, **wish}))

    def revert(self, name: str, **wish: Any) -> dict[str, Any]:
        return self.done(self.ask("POST", f"/{name}/revert", wish))

    def delete(self, name: str, more: str = "") -> dict[str, Any]:
        return self.done(self.ask("DELETE", f"/{name}{more}"))


@pytest.fixture
def kept(lab_host: LabHost, guests: Guests, dashboard: Dashboard) -> Iterator[Kept]:
    with folder_pool(lab_host) as pool:
        yield made(lab_host, guests, dashboard, pool)
        guests.remove_all()


def made(host: LabHost, guests: Guests, dashboard: Dashboard, pool: LabPool) -> Kept:
    name = f"kept-{pool.name}"
    document = E.volume(E.name(name), E.capacity(str(16 * MIB)), E.target(E.format(type="qcow2")))
    connection = host.connect()
    there = connection.storagePoolLookupByUUIDString(pool.uuid)
    path = there.createXML(etree.tostring(document, encoding="unicode")).path()
    connection.close()
    guest = guests.make(name, graphics="vnc")
    root = etree.fromstring(guest.domain.XMLDesc(0))
    devices = root.find("devices")
    assert devices is not None
    devices.append(
        E.disk(
            E.driver(name="qemu", type="qcow2"),
            E.source(file=path),
            E.target(dev="vda", bus="virtio"),
            type="file",
            device="disk",
        )
    )
    for screen in devices.findall("graphics"):
        screen.set("passwd", "geheim42")
    host.connect().defineXML(etree.tostring(root, encoding="unicode"))
    vm = dashboard.vm(guest.uuid)
    found = Kept(guest, pool, dashboard, vm)
    eventually(lambda: dashboard.get(f"{found.path}/possible")["plain"]["possible"], "a snapshot can be taken")
    return found


def test_taken_gone_back_to_and_let_go_of(kept: Kept) -> None:
    kept.write(1)
    kept.take("first", description="an <empty> one & fine")
    kept.write(2)
    kept.take("second")
    kept.write(3)
    tree = kept.dashboard.get(kept.path)
    assert tree["current"] == "second" and [one["name"] for one in tree["items"]] == ["first"]
    assert tree["items"][0]["description"] == "an <empty> one & fine"
    kept.revert("first", keep="before")
    assert (kept.marker(), kept.names(), kept.current()) == (1, ["before", "first", "second"], "first")
    kept.revert("before")
    assert kept.marker() == 3
    kept.revert("second")
    assert kept.marker() == 2

    # With the memory of a run: it counts on where it was.
    kept.guest.start()
    kept.state("running")
    refused = kept.ask("POST", "", {"name": "no memory"})
    assert (refused.status, refused.body["params"]["because"]) == (409, "needs_memory"), refused.body
    kept.take("awake", memory=True)
    boots = kept.guest.boots()
    row = kept.dashboard.get(f"{kept.path}/awake")
    assert row["has_memory"] and row["kind"] == "internal" and row["state"] == "running" and row["screen"]
    kept.guest.domain.destroy()
    kept.state("shut_off")
    kept.write(7)
    kept.revert("awake")
    kept.state("running")
    kept.guest.wait_for_count()
    assert kept.guest.boots() == boots, "it did not begin anew"
    assert "geheim42" in kept.guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)

    # Described otherwise it is still whole; called otherwise it would not be found in the disk.
    answer = kept.ask("PATCH", "/awake", {"name": "woken"})
    assert (answer.status, answer.body["params"]["because"]) == (409, "name_inside")
    kept.done(kept.ask("PATCH", "/awake", {"description": "it runs"}))
    eventually(lambda: kept.dashboard.get(f"{kept.path}/awake")["description"] == "it runs", "it is described")
    kept.revert("awake")
    kept.guest.wait_for_count()
    assert kept.guest.boots() == boots
    assert "geheim42" in kept.guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)

    kept.revert("first")
    kept.state("shut_off")
    assert kept.marker() == 1
    kept.delete("second", "?children=true")
    assert kept.names() == ["first"], "what was taken there came from it"
    kept.delete("first")
    assert kept.names() == [] and kept.marker() == 1


def test_layers_are_taken_and_merged(kept: Kept) -> None:
    """On a libvirt that cannot go back to them: that is refused, and nothing is lost when they are let go of."""
    base = kept.disk()
    kept.write(1)
    refused = kept.ask("POST", "/nothing/revert", {})
    assert refused.status == 404
    kept.take("one", kind="external")
    assert kept.disk() != base and kept.disk().startswith(f"{kept.pool.path}/kept-")
    kept.write(2)
    kept.take("two")
    assert kept.dashboard.get(f"{kept.path}/two")["kind"] == "external", "as its others are"
    kept.write(3)
    found = kept.dashboard.get(f"{kept.path}/possible")
    deeds = {one["name"]: one for one in found["snapshots"]}
    assert [one["code"] for one in deeds["one"]["revert"]["reasons"]] == ["external_old"]
    assert [one["code"] for one in deeds["one"]["delete"]["reasons"]] == ["needs_run"]
    assert kept.ask("POST", "/one/revert", {}).body["params"]["because"] == "external_old"
    kept.done(kept.ask("PATCH", "/one", {"name": "uno", "description": "d"}))
    assert kept.names() == ["two", "uno"]

    kept.guest.start()
    kept.state("running")
    kept.delete("uno")
    assert kept.names() == ["two"]
    kept.guest.domain.destroy()
    kept.state("shut_off")
    assert kept.marker() == 3
    kept.delete("two")
    assert (kept.names(), kept.disk(), kept.marker()) == ([], base, 3)
    eventually(lambda: kept.pool.names() == [base.rpartition("/")[2]], "no layer is left over")


def test_what_an_administrator_took_away_comes_back_by_him_alone(kept: Kept) -> None:
    """And what would kill the VM is refused."""
    root = etree.fromstring(kept.guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    before = etree.tostring(root, encoding="unicode")
    devices = root.find("devices")
    assert devices is not None
    devices.append(E.serial(E.source(path="/var/lib/libvirt/images/secret.log"), type="file"))
    kept.host.connect().defineXML(etree.tostring(root, encoding="unicode"))
    kept.take("dangerous")
    kept.host.connect().defineXML(before)
    eventually(lambda: needs(kept, "dangerous") == "vm.define", "its definition is another by now", within=60)
    kept.revert("dangerous")
    assert "secret.log" in kept.guest.domain.XMLDesc(0), "an administrator may"

    kept.guest.start()
    kept.state("running")
    document = (
        "<domaincheckpoint><name>full</name><disks><disk name='vda' checkpoint='bitmap'/></disks></domaincheckpoint>"
    )
    kept.guest.domain.checkpointCreateXML(document)
    assert kept.dashboard.post(f"/vms/{kept.vm}/pause").status == 202
    eventually(
        lambda: kept.ask("POST", "/dangerous/revert", {}).body.get("params", {}).get("because") == "checkpoints_revert",
        "it is known to have a checkpoint",
    )
    assert kept.ask("POST", "", {"name": "more", "memory": True}).body["params"]["because"] == "checkpoints"
    assert kept.guest.domain.isActive()


def needs(kept: Kept, name: str) -> str:
    """The gravest privilege that going back needs by the rows."""
    code = (
        "from vms.models import VirtualMachine; from vms.services import snapshots; "
        f"vm = VirtualMachine.objects.get(pk={kept.vm}); "
        f"print('needs', *snapshots.privileges(snapshots.needs_of(snapshots.look(vm), snapshots.get_or_404(vm, '{name}'))))"
    )
    told = kept.dashboard.do(code).split()
    return "vm.define" if "vm.define" in told else " ".join(told[1:])
