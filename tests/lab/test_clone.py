"""VMs made after others on a real host: disk by disk as is chosen, off and running, and what a failure leaves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.holds import idle
from tests.headers.images import MIB
from tests.lab.doomed import die_at
from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard
from tests.lab.test_create import number_of, pool, says, take_vms_away, volume
from tests.lab.test_kills import held
from vms.libvirtxml import DomainXML
from vms.operations.clone import STEPS

__all__ = ["number_of", "pool"]

DISK = (
    "<disk type='volume' device='{device}'><driver name='qemu' type='{format}'/>"
    "<source pool='{pool}' volume='{volume}'/><target dev='{target}' bus='{bus}'/>{rest}</disk>"
)
SOURCE = """
<domain type='qemu'><name>{name}</name><title>the first</title><memory unit='MiB'>192</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><cpu mode='maximum'/>
<devices>{disks}<interface type='user'><mac address='52:54:00:aa:bb:cc'/></interface>
<serial type='pty'/><graphics type='vnc'><listen type='address' address='127.0.0.1'/></graphics></devices></domain>
"""


def disk(pool: LabPool, volume: str, target: str, *, device: str = "disk", rest: str = "") -> str:
    format = "qcow2" if volume.endswith(".qcow2") else "raw"
    bus = "sata" if device == "cdrom" else "virtio"
    return DISK.format(
        device=device, format=format, pool=pool.name, volume=volume, target=target, bus=bus, rest=rest
    )  # fmt: skip


def define(host: LabHost, name: str, *disks: str) -> str:
    """The UUID of a VM with these."""
    connection = host.connect()
    made: str = connection.defineXML(SOURCE.format(name=name, disks="".join(disks))).UUIDString()
    connection.close()
    return made


def undefine(host: LabHost, name: str) -> None:
    connection = host.connect()
    domain = connection.lookupByName(name)
    if domain.isActive():
        domain.destroy()
    domain.undefine()
    connection.close()


def fill(pool: LabPool) -> None:
    """A layer from which the guest boots, a raw disk with something on it, one for several, and one that is empty."""
    run = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", f"{pool.path}/cloud.qcow2"]
    pool.host.run(*run, f"{pool.path}/first.qcow2")
    (pool.folder / "data").write_bytes(os.urandom(3 * MIB) + bytes(5 * MIB))
    (pool.folder / "for-all").write_bytes(b"for all" + bytes(MIB - 7))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(pool.folder / "left.qcow2"), "8M"], check=True)
    pool.names()


@pytest.fixture(scope="module")
def source(lab_host: LabHost, pool: LabPool) -> Iterator[str]:
    """The UUID of a VM, off, with a disk of each kind."""
    fill(pool)
    yield define(
        lab_host,
        "the-source",
        disk(pool, "first.qcow2", "vda", rest="<boot order='1'/>"),
        disk(pool, "data", "vdb"),
        disk(pool, "for-all", "vdc", rest="<shareable/>"),
        disk(pool, "left.qcow2", "vdd"),
        disk(pool, "guest.iso", "sda", device="cdrom", rest="<readonly/>"),
    )
    take_vms_away(lab_host)
    undefine(lab_host, "the-source")


@pytest.fixture
def vm(lab_host: LabHost, dashboard: Dashboard, number_of: int, source: str) -> Iterator[int]:
    """Its id, once all that it names is known."""
    number = dashboard.vm(source)
    for name in ("first.qcow2", "data", "for-all", "left.qcow2", "guest.iso", "cloud.qcow2"):
        volume(dashboard, number_of, name)

    def known() -> bool:
        answer = dashboard.get(f"/vms/{number}/clone")
        return len(answer) == 5 and all(one["volume"] for one in answer)

    eventually(known, "its disks are known", within=60)
    yield number
    if lab_host.virsh("domstate", "the-source").strip() != "shut off":
        lab_host.virsh("destroy", "the-source")
    dashboard.await_state(number, "shut_off")


def clone(dashboard: Dashboard, vm: int, name: str, *ends: str, **body: Any) -> dict[str, Any]:
    asked = dashboard.post(f"/vms/{vm}/clone", {"name": name, "networks": [{"network": None}], **body})
    assert asked.status == 202, asked
    return dashboard.await_operation(asked.body["operation"]["id"], *(ends or ("succeeded",)), within=120)


def chosen(**ways: str) -> list[dict[str, Any]]:
    return [{"target": target, "how": how} for target, how in ways.items()]


def told(pool: LabPool, name: str) -> dict[str, Any]:
    words = ["qemu-img", "info", "-U", "--output=json", f"{pool.path}/{name}"]
    found: dict[str, Any] = json.loads(pool.host.run(*words))
    return found


def same(first: Path, second: Path, size: int = 0) -> bool:
    one, other = first.read_bytes(), second.read_bytes()
    return one[: size or None] == other[: size or None]


def is_nowhere(dashboard: Dashboard, pool: LabPool, number_of: int, name: str, operation: dict[str, Any]) -> None:
    """Nothing is left of it, on the host and here."""
    assert not [one for one in pool.names() if one.startswith(name)]
    assert name not in pool.host.virsh("list", "--all", "--name").split()
    assert dashboard.request("GET", f"/api/v1/vms/{operation['target']['id']}").status == 404
    rows = dashboard.query("SELECT name FROM vms_volume WHERE name LIKE ? OR state = 'incomplete'", f"{name}%")
    assert rows == [] and dashboard.query("SELECT key FROM vms_operationlock") == []


@pytest.mark.parametrize("boots", [False, pytest.param(True, marks=pytest.mark.long)])
def test_each_disk_is_cloned_as_is_chosen(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, vm: int, boots: bool
) -> None:
    offered = {one["target"]: one["ways"] for one in dashboard.get(f"/vms/{vm}/clone")}
    assert offered == {
        "vda": ["copy", "linked", "none"], "vdb": ["copy", "linked", "none"], "vdc": ["share", "copy", "none"],
        "vdd": ["copy", "linked", "none"], "sda": ["share", "none"],
    }  # fmt: skip
    name = f"made-clone-{boots}"
    made = clone(dashboard, vm, name, disks=chosen(vdd="none"), start=boots)
    first, old = told(pool, f"{name}.qcow2"), told(pool, "first.qcow2")
    assert first["full-backing-filename"] == old["full-backing-filename"] == f"{pool.path}/cloud.qcow2"
    assert same(pool.folder / "data", pool.folder / f"{name}-2.raw")
    assert (pool.folder / f"{name}-2.raw").stat().st_blocks * 512 < 5 * MIB, "its holes are holes"
    document = DomainXML.parse(lab_host.virsh("dumpxml", "--inactive", name))
    assert [(one.target, one.volume) for one in document.disks] == [
        ("vda", f"{name}.qcow2"), ("vdb", f"{name}-2.raw"), ("vdc", "for-all"), ("sda", "guest.iso"),
    ]  # fmt: skip
    assert document.title is None and document.interfaces == []
    assert document.vnc is not None and document.vnc.listens == "none"
    number = made["target"]["id"]
    dashboard.await_state(number, "running" if boots else "shut_off")
    assert dashboard.get(f"/vms/{number}")["uuid"] == document.uuid
    rows = dashboard.query("SELECT state, format FROM vms_volume WHERE name LIKE ? ORDER BY name", f"{name}%")
    assert rows == [("ready", "raw"), ("ready", "qcow2")]
    if boots:
        says(lab_host, name, "boot ")
        lab_host.virsh("destroy", name)


def test_what_lies_below_a_linked_clone_is_not_started(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, vm: int
) -> None:
    made = clone(dashboard, vm, "made-linked", disks=chosen(vda="linked", vdb="linked", vdc="none", vdd="none"))
    assert told(pool, "made-linked.qcow2")["full-backing-filename"] == f"{pool.path}/first.qcow2"
    data = told(pool, "made-linked-2.qcow2")
    assert (data["full-backing-filename"], data["backing-filename-format"]) == (f"{pool.path}/data", "raw")
    refused = dashboard.await_operation(dashboard.ask(vm, "start"), "failed")
    assert refused["error"]["code"] == "volume_backs"
    number = made["target"]["id"]
    dashboard.await_operation(dashboard.ask(number, "start"))
    dashboard.await_state(number, "running")
    asked = dashboard.post(f"/vms/{number}/delete", {"volumes": "all", "confirm": "made-linked", "trash": False})
    dashboard.await_operation(asked.body["operation"]["id"], within=60)
    assert (pool.folder / "first.qcow2").exists() and not list(pool.folder.glob("made-linked*"))
    dashboard.await_operation(dashboard.ask(vm, "start"))


def test_a_running_vm_is_cloned_as_it_is_in_one_moment(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, vm: int
) -> None:
    lab_host.virsh("start", "the-source")
    dashboard.await_state(vm, "running")
    clone(dashboard, vm, "made-live", disks=chosen(vdc="none"))
    first = told(pool, "made-live.qcow2")
    assert "full-backing-filename" not in first and first["virtual-size"] == told(pool, "first.qcow2")["virtual-size"]
    assert same(pool.folder / "data", pool.folder / "made-live-2.raw")
    assert lab_host.virsh("domstate", "the-source").strip() == "running"
    assert "backingStore type" in lab_host.virsh("dumpxml", "the-source"), "its own disks are as they were"
    pool.host.run("qemu-img", "compare", "-U", f"{pool.path}/cloud.qcow2", f"{pool.path}/made-live.qcow2")


@pytest.mark.parametrize("runs", [False, True])
def test_several_are_made_at_once(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, vm: int, runs: bool
) -> None:
    """Of one that runs one after the other: QEMU copies for one at a time."""
    if runs:
        lab_host.virsh("start", "the-source", "--paused")
        dashboard.await_state(vm, "paused")
    name, few = f"made-many-{runs}", chosen(vda="none", vdc="none", vdd="none")
    body = {"name": f"{name}-#", "count": 4, "disks": few, "networks": [{"network": None}]}
    asked = dashboard.post(f"/vms/{vm}/clone", body)
    assert asked.status == 202, asked
    assert len(asked.body["operations"]) == 4
    refused = dashboard.post(f"/vms/{vm}/{'resume' if runs else 'start'}")
    assert (refused.status, refused.body["code"]) == (409, "locked"), refused
    for number, each in enumerate(asked.body["operations"], 1):
        dashboard.await_operation(each["id"], within=120)
        assert same(pool.folder / "data", pool.folder / f"{name}-{number}.raw")
    assert dashboard.query("SELECT key FROM vms_operationlock") == []
    assert lab_host.virsh("domstate", "the-source").strip() == ("paused" if runs else "shut off")


@pytest.mark.long
def test_fifty_linked_ones_are_made_and_twenty_of_them_start(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, vm: int
) -> None:
    few = chosen(vda="linked", vdb="none", vdc="none", vdd="none", sda="none")
    body = {"name": "made-of-fifty-#", "count": 50, "disks": few, "networks": [{"network": None}]}
    asked = dashboard.post(f"/vms/{vm}/clone", body)
    assert asked.status == 202, asked
    made = [dashboard.await_operation(each["id"], within=600) for each in asked.body["operations"]]
    assert len([name for name in pool.names() if name.startswith("made-of-fifty-")]) == 50
    numbers = [each["target"]["id"] for each in made[:20]]
    for number in numbers:
        dashboard.await_state(number, "shut_off")
    for operation in [dashboard.ask(number, "start") for number in numbers]:
        dashboard.await_operation(operation, within=300)
    running = lab_host.virsh("list", "--name").split()
    assert len([name for name in running if name.startswith("made-of-fifty-")]) == 20
    take_vms_away(lab_host)


@pytest.mark.parametrize("runs", [False, True])
def test_a_full_pool_leaves_nothing(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, vm: int, runs: bool
) -> None:
    if runs:
        lab_host.virsh("start", "the-source", "--paused")
        dashboard.await_state(vm, "paused")
    with folder_pool(lab_host, disk="2m") as small:
        there = eventually(lambda: pool_known(dashboard, small), "the small pool is known")
        name = f"made-full-{runs}"
        failed = clone(dashboard, vm, name, "failed", disks=chosen(vdc="none"), pool=there)
        assert failed["error"]["code"] == "host_refused" and "space" in failed["error"]["details"], failed
        is_nowhere(dashboard, small, number_of, name, failed)
    if runs:
        assert lab_host.virsh("domstate", "the-source").strip() == "paused"


def pool_known(dashboard: Dashboard, pool: LabPool) -> int | None:
    items = dashboard.get("/pools?page_size=200")["items"]
    return next((item["id"] for item in items if item["name"] == pool.name and item["active"]), None)


def fill_with(path: Path, size: int) -> str:
    """The SHA-256 of the file, which holds so many random bytes then."""
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    return sum_of(path)


def sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def large(lab_host: LabHost, pool: LabPool) -> Iterator[tuple[str, str]]:
    """(UUID, sum of its disk's bytes) of a VM that takes a while to clone."""
    made = fill_with(pool.folder / "large-disk", 300 * MIB)
    pool.names()
    yield define(lab_host, "the-large", disk(pool, "large-disk", "vda")), made
    undefine(lab_host, "the-large")


@pytest.fixture
def large_vm(lab_host: LabHost, dashboard: Dashboard, number_of: int, large: tuple[str, str]) -> Iterator[int]:
    number = dashboard.vm(large[0])
    volume(dashboard, number_of, "large-disk")
    eventually(lambda: any(one["volume"] for one in dashboard.get(f"/vms/{number}/clone")), "its disk is known")
    yield number
    if lab_host.virsh("domstate", "the-large").strip() != "shut off":
        lab_host.virsh("destroy", "the-large")
    dashboard.await_state(number, "shut_off")


def ask(dashboard: Dashboard, vm: int, name: str, **body: Any) -> int:
    asked = dashboard.post(f"/vms/{vm}/clone", {"name": name, "networks": [{"network": None}], **body})
    assert asked.status == 202, asked
    return int(asked.body["operation"]["id"])


def has_begun(dashboard: Dashboard, operation: int) -> bool:
    return bool(dashboard.operation(operation)["progress"])


@pytest.mark.parametrize("runs", [pytest.param(False, marks=pytest.mark.long), True])
def test_whoever_cancels_it_leaves_nothing(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, large_vm: int, runs: bool
) -> None:
    if runs:
        lab_host.virsh("start", "the-large", "--paused")
        dashboard.await_state(large_vm, "paused")
    name = f"made-cancelled-{runs}"
    operation = ask(dashboard, large_vm, name)
    eventually(lambda: (pool.folder / f"{name}.raw").exists(), "it has begun", every=0.005)
    with held(lab_host):
        refused = dashboard.post(f"/vms/{large_vm}/{'resume' if runs else 'start'}")
        assert (refused.status, refused.body["code"]) == (409, "locked"), refused
        assert dashboard.post(f"/operations/{operation}/cancel").status in (200, 202)
    ended = dashboard.await_operation(operation, "cancelled", within=120)
    is_nowhere(dashboard, pool, number_of, name, ended)
    is_as_before(lab_host, runs=runs)


def is_as_before(host: LabHost, *, runs: bool) -> None:
    """The large one is as it was, and nobody works on it."""
    assert host.virsh("domstate", "the-large").strip() == ("paused" if runs else "shut off")
    assert not runs or "None" in host.virsh("domjobinfo", "the-large")


@pytest.mark.long
def test_a_clone_goes_to_another_host(
    dashboard: Dashboard, pool: LabPool, large: tuple[str, str], large_vm: int, other_host: tuple[int, Guests]
) -> None:
    host = other_host[1].host
    with folder_pool(host) as other:
        there = eventually(lambda: pool_known(dashboard, other), "the pool of the other host is known")
        operation = ask(dashboard, large_vm, "made-far", pool=there)
        eventually(lambda: has_begun(dashboard, operation), "it is on its way", every=0.05)
        assert dashboard.post(f"/operations/{operation}/cancel").status in (200, 202)
        dashboard.await_operation(operation, "cancelled", within=120)
        assert other.names() == [] and host.virsh("list", "--all", "--name").split() == []
        made = dashboard.await_operation(ask(dashboard, large_vm, "made-far", pool=there, start=True), within=120)
        assert sum_of(other.folder / "made-far.raw") == large[1]
        number = made["target"]["id"]
        dashboard.await_state(number, "running")
        assert dashboard.get(f"/vms/{number}")["host"]["id"] == other_host[0]
        host.virsh("destroy", "made-far")
        host.virsh("undefine", "made-far")


CASES = [(step.name, when) for step in STEPS for when in ("before", "after")] + [("disks", "in")]


@pytest.mark.long
@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize(("step", "when"), CASES)
def test_killed_at_any_step_it_is_there_whole_or_not_at_all(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, large: tuple[str, str], large_vm: int,
    step: str, when: str, runs: bool,
) -> None:  # fmt: skip
    if runs:
        lab_host.virsh("start", "the-large", "--paused")
        dashboard.await_state(large_vm, "paused")
    name = f"made-{step}-{when}-{runs}"
    with idle(dashboard, dashboard.pid("worker")):
        operation = ask(dashboard, large_vm, name, start=True)
        die_at(dashboard, operation, "clone", step, when)
    ended = dashboard.await_operation(operation, "succeeded", "failed", within=120)
    whole = (step, when) == ("start", "after")
    assert (ended["state"] == "succeeded") == whole, ended
    if whole:
        assert sum_of(pool.folder / f"{name}.raw") == large[1]
        assert volume(dashboard, number_of, f"{name}.raw")["state"] == "ready"
        gone = {"volumes": "all", "confirm": name, "trash": False}
        asked = dashboard.post(f"/vms/{ended['target']['id']}/delete", gone)
        dashboard.await_operation(asked.body["operation"]["id"], within=60)
    else:
        is_nowhere(dashboard, pool, number_of, name, ended)
    is_as_before(lab_host, runs=runs)
