"""Snapshots of real guests: the marker on the disk, and the count in memory, are always those of the state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libvirt
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from lxml import etree
from lxml.builder import E

from tests.lab.agents import JOIN, PlayedAgent
from tests.lab.counting import refresh
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.moves import pool_ids
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Answer, Dashboard
from tests.lab.test_kills import asked, kill
from tests.lab.test_serial import command, free

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
        found = made(lab_host, guests, dashboard, pool)
        yield found
        with suppress(libvirt.libvirtError):
            for one in found.guest.domain.listAllCheckpoints():
                one.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)
        guests.remove_all()


def made(
    host: LabHost, guests: Guests, dashboard: Dashboard, pool: LabPool, *, agent: Path | None = None
) -> Kept:  # fmt: skip
    name = f"kept-{pool.name}"
    document = E.volume(E.name(name), E.capacity(str(16 * MIB)), E.target(E.format(type="qcow2"), E.compat("1.1")))
    connection = host.connect()
    there = connection.storagePoolLookupByUUIDString(pool.uuid)
    path = there.createXML(etree.tostring(document, encoding="unicode")).path()
    connection.close()
    # Known before the VM is, it is the VM's as soon as that is read.
    eventually(lambda: pool_ids(dashboard, pool.name), "the pool is known")
    refresh(dashboard, pool.name)
    guest = guests.make(name, graphics="vnc", shell=agent is not None, agent=agent)
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
    assert needs(kept, "awake") == "", "what libvirt wrote of the run is nobody's wish"
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

    # With the VM go its layers, and what they lie over.
    kept.take("last", kind="external")
    going = eventually(lambda: two_of(kept), "both files are known to be its own", within=60)
    confirm = kept.dashboard.get(f"/vms/{kept.vm}")["name"]
    answer = kept.dashboard.post(
        f"/vms/{kept.vm}/delete", {"confirm": confirm, "trash": False, "seen": going["digest"]}
    )
    assert answer.status == 202, answer.body
    ended = kept.dashboard.await_operation(answer.body["operation"]["id"], "succeeded", "failed", within=60)
    assert ended["state"] == "succeeded" and kept.pool.names() == [], ended


def two_of(kept: Kept) -> Any:
    told = kept.dashboard.get(f"/vms/{kept.vm}/belongings")
    return told if len(told["goes"]) == 2 else None


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
        "from vms.models import VirtualMachine; from vms.services import snapshot_facts, snapshots; "
        f"vm = VirtualMachine.objects.get(pk={kept.vm}); row = snapshots.get_or_404(vm, '{name}'); "
        "print('needs', *snapshots.privileges(snapshots.needs_of(None, snapshot_facts.look(vm), row)))"
    )
    told = kept.dashboard.do(code).split()
    return "vm.define" if "vm.define" in told else " ".join(told[1:])


def test_the_guests_agent_holds_its_file_systems_still(
    lab_host: LabHost, guests: Guests, dashboard: Dashboard
) -> None:  # fmt: skip
    path = lab_host.folder / "quiesced.sock"
    with folder_pool(lab_host) as pool:
        kept = made(lab_host, guests, dashboard, pool, agent=path)
        eventually(
            lambda: dashboard.get(f"{kept.path}/possible")["external"]["possible"], "its disk is known", within=60
        )
        refused = kept.ask("POST", "", {"name": "still", "quiesce": True, "kind": "external"})
        assert refused.body["params"]["because"] == "quiesce_off"
        kept.guest.start()
        kept.state("running")
        wish: dict[str, Any] = {"name": "still", "quiesce": True, "kind": "external"}
        assert kept.ask("POST", "", wish).body["params"]["because"] == "no_agent"
        agent = PlayedAgent(path)
        line = eventually(lambda: free(kept.guest, force=True), "the line")
        command(line, JOIN.encode())
        eventually(lambda: kept.dashboard.get(f"{kept.path}/possible")["agent"], "its agent is there", within=60)
        line.close()
        kept.take(**wish)
        names = [name for name in agent.names() if "fsfreeze" in name and "status" not in name]
        assert names == ["guest-fsfreeze-freeze", "guest-fsfreeze-thaw"] and not agent.frozen
        agent.close()
        guests.remove_all()


def test_a_worker_killed_while_the_host_keeps_it_is_told_by_evidence(kept: Kept) -> None:
    kept.guest.domain.create()
    kept.state("running")
    answer = kept.ask("POST", "", {"name": "within", "memory": True})
    pk = answer.body["operation"]["id"]
    eventually(lambda: asked(kept.dashboard, pk), "the host is asked", every=0.002)
    kill(kept.dashboard, "worker")
    ended = kept.dashboard.await_operation(pk, "succeeded", "failed", within=60)
    # What is said must be what is.
    assert (ended["state"] == "succeeded") == (kept.names() == ["within"]), ended
    kept.take("after", memory=True)
    assert "after" in kept.names() and kept.guest.is_running()


def test_what_lies_under_a_disk_is_written_into_it(kept: Kept) -> None:
    base = kept.disk()
    kept.write(5)
    layer = f"{kept.pool.path}/layer"
    kept.host.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", layer)
    kept.pool.names()
    text = kept.guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE).replace(base, layer)
    kept.host.connect().defineXML(text)

    def why() -> list[str]:
        return [one["code"] for one in kept.dashboard.get(f"{kept.path}/possible")["flatten"]["reasons"]]

    kept.guest.domain.create()
    kept.state("running")
    eventually(lambda: why() == [], "it is known to be a layer", within=60)
    answer = kept.dashboard.post(f"/vms/{kept.vm}/flatten")
    assert answer.status == 202, answer.body
    ended = kept.dashboard.await_operation(answer.body["operation"]["id"], "succeeded", "failed", within=60)
    assert ended["state"] == "succeeded", ended
    eventually(lambda: why() == ["no_layers"], "nothing lies under it", within=60)
    told = kept.host.run("qemu-img", "info", "-U", "--backing-chain", layer)
    kept.guest.domain.destroy()
    kept.state("shut_off")
    assert "backing file" not in told and kept.marker() == 5


STEPS = ("write", "take", "take", "external", "revert", "revert", "keep", "delete", "branch", "start", "stop")


@dataclass
class Model:
    """What should be there. known: {name: (marker, whether it ran, where it came from)}."""

    kept: Kept
    marker: int = 0
    runs: bool = False
    number: int = 0
    current: str = ""
    known: dict[str, tuple[int, bool, str]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def name(self) -> str:
        self.number += 1
        return f"s{self.number}"

    def chosen(self, choice: int) -> str:
        return sorted(self.known)[choice % len(self.known)] if self.known else ""

    def branch(self, name: str) -> set[str]:
        children = {one for one, (_, _, parent) in self.known.items() if parent == name}
        return {name}.union(*(self.branch(one) for one in children))

    def step(self, what: str, choice: int) -> None:
        """One thing that somebody does; a refusal has a reason and leaves all as it is."""
        kept, name = self.kept, self.chosen(choice)
        if what == "write" and not self.runs:
            self.marker = self.marker % 200 + 1
            kept.write(self.marker)
        elif what in ("start", "stop") and self.runs == (what == "stop"):
            kept.guest.domain.create() if what == "start" else kept.guest.domain.destroy()
            self.runs = not self.runs
        elif what in ("take", "external"):
            wish = {"kind": "external"} if what == "external" else {"memory": self.runs}
            new = self.name()
            if self.asked("POST", "", {"name": new, **wish}):
                self.known[new] = (self.marker, self.runs and what == "take", self.current)
                self.current = new
        elif what in ("revert", "keep") and name:
            keep = self.name() if what == "keep" else ""
            if self.asked("POST", f"/{name}/revert", {"keep": keep}):
                if keep:
                    self.known[keep] = (self.marker, self.runs, self.current)
                self.marker, self.runs, _ = self.known[name]
                self.current = name
        elif what in ("delete", "branch") and name:
            going = self.branch(name) if what == "branch" else {name}
            if self.asked("DELETE", f"/{name}?children={'true' if what == 'branch' else 'false'}", None):
                parent = self.known[name][2]
                self.known = {
                    one: (marker, ran, parent if came in going else came)
                    for one, (marker, ran, came) in self.known.items()
                    if one not in going
                }
                self.current = parent if self.current in going else self.current
        kept.state("running" if self.runs else "shut_off")
        assert kept.marker() == self.marker, (what, name)
        assert kept.names() == sorted(self.known), (what, name)
        assert bool(kept.guest.domain.isActive()) == self.runs

    def asked(self, method: str, rest: str, body: Any) -> bool:
        answer = self.kept.ask(method, rest, body)
        if answer.status == 409:
            assert answer.body["code"] == "snapshot_refused" and answer.body["params"]["because"], answer.body
            self.refused[answer.body["params"]["because"]] += 1
            return False
        self.kept.done(answer)
        return True


def walk(parts: tuple[LabHost, Guests, Dashboard], steps: list[tuple[str, int]]) -> None:
    host, guests, dashboard = parts
    with folder_pool(host) as pool:
        model = Model(made(host, guests, dashboard, pool))
        for what, choice in steps:
            model.step(what, choice)
        note(f"refused: {dict(model.refused)}")
        guests.remove_all()


def steps(number: int) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 99)), min_size=number, max_size=number)


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example]


@given(done=steps(25))
@settings(max_examples=3, deadline=None, phases=(Phase.generate,), suppress_health_check=QUIET, database=None)
def test_the_marker_is_that_of_the_state(
    lab_host: LabHost, guests: Guests, dashboard: Dashboard, done: list[tuple[str, int]]
) -> None:
    walk((lab_host, guests, dashboard), done)


@pytest.mark.long
@given(done=steps(60))
@settings(max_examples=8, deadline=None, phases=(Phase.generate,), suppress_health_check=QUIET, database=None)
def test_the_marker_is_that_of_the_state_on_many_ways(
    lab_host: LabHost, guests: Guests, dashboard: Dashboard, done: list[tuple[str, int]]
) -> None:
    walk((lab_host, guests, dashboard), done)
