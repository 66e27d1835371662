"""VMs made after others on a real host: disk by disk as is chosen, off and running, and what a failure leaves."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.headers.images import MIB
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard
from tests.lab.test_create import number_of, pool, says, take_vms_away, volume
from vms.libvirtxml import DomainXML

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
    if lab_host.virsh("domstate", "the-source").strip() == "running":
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


def test_each_disk_is_cloned_as_is_chosen(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, vm: int
) -> None:
    offered = {one["target"]: one["ways"] for one in dashboard.get(f"/vms/{vm}/clone")}
    assert offered == {
        "vda": ["copy", "linked", "none"], "vdb": ["copy", "linked", "none"], "vdc": ["share", "copy", "none"],
        "vdd": ["copy", "linked", "none"], "sda": ["share", "none"],
    }  # fmt: skip
    made = clone(dashboard, vm, "made-clone", disks=chosen(vdd="none"), start=True)
    first, old = told(pool, "made-clone.qcow2"), told(pool, "first.qcow2")
    assert first["full-backing-filename"] == old["full-backing-filename"] == f"{pool.path}/cloud.qcow2"
    assert same(pool.folder / "data", pool.folder / "made-clone-2.raw")
    assert (pool.folder / "made-clone-2.raw").stat().st_blocks * 512 < 5 * MIB, "its holes are holes"
    document = DomainXML.parse(lab_host.virsh("dumpxml", "--inactive", "made-clone"))
    assert [(one.target, one.volume) for one in document.disks] == [
        ("vda", "made-clone.qcow2"), ("vdb", "made-clone-2.raw"), ("vdc", "for-all"), ("sda", "guest.iso"),
    ]  # fmt: skip
    assert document.title is None and document.interfaces == []
    assert document.vnc is not None and document.vnc.listens == "none"
    number = made["target"]["id"]
    dashboard.await_state(number, "running")
    assert dashboard.get(f"/vms/{number}")["uuid"] == document.uuid
    says(lab_host, "made-clone", "boot ")
    lab_host.virsh("destroy", "made-clone")
    rows = dashboard.query("SELECT state, format FROM vms_volume WHERE name LIKE 'made-clone%' ORDER BY name")
    assert rows == [("ready", "raw"), ("ready", "qcow2")]


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
def test_a_full_pool_leaves_nothing(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, vm: int, runs: bool
) -> None:
    if runs:
        lab_host.virsh("start", "the-source")
        dashboard.await_state(vm, "running")
    with folder_pool(lab_host, disk="2m") as small:
        there = eventually(lambda: pool_known(dashboard, small), "the small pool is known")
        name = f"made-full-{runs}"
        failed = clone(dashboard, vm, name, "failed", disks=chosen(vdc="none"), pool=there)
        assert failed["error"]["code"] == "host_refused" and "space" in failed["error"]["details"], failed
        is_nowhere(dashboard, small, number_of, name, failed)
    if runs:
        assert lab_host.virsh("domstate", "the-source").strip() == "running"


def pool_known(dashboard: Dashboard, pool: LabPool) -> int | None:
    items = dashboard.get("/pools?page_size=200")["items"]
    return next((item["id"] for item in items if item["name"] == pool.name and item["active"]), None)
