"""A new VM as another was when a snapshot was taken of it: out of its disks, while that one runs on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.headers.images import MIB
from tests.lab.counting import refresh
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool
from tests.lab.stack import Dashboard
from tests.lab.test_clone import define, disk, undefine
from tests.lab.test_create import number_of, pool, take_vms_away, volume

__all__ = ["number_of", "pool"]

LAYERS = {"vda": "top.over", "vdb": "own.over"}
KNOWN = """
from vms import live
from vms.models import Snapshot
live.look(1, 'vm:{vm}')
print(Snapshot.objects.filter(placement__vm={vm}).count())
"""


def write(pool: LabPool, name: str, pattern: int, at: int) -> None:
    pool.host.run("qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} {at} {MIB}", f"{pool.path}/{name}")


def holds(pool: LabPool, name: str, pattern: int, at: int) -> None:
    """The image holds it there, and lies over nothing."""
    told = pool.host.run("qemu-io", "-f", "qcow2", "-c", f"read -P {pattern} {at} {MIB}", f"{pool.path}/{name}")
    assert "verification failed" not in told, told
    assert "backing" not in pool.host.run("qemu-img", "info", f"{pool.path}/{name}")


@pytest.fixture
def source(lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int) -> Iterator[str]:
    """The UUID of a VM with a layer and a disk of its own. What was on them is told by patterns: 1 under all, 2 at
    "one", 3 at "with layers", 4 now."""
    create = ("qemu-img", "create", "-q", "-f", "qcow2")
    for name in ("below.qcow2", "own.qcow2"):
        pool.host.run(*create, f"{pool.path}/{name}", "16M")
    write(pool, "below.qcow2", 1, 0)
    pool.host.run(*create, "-F", "qcow2", "-b", f"{pool.path}/below.qcow2", f"{pool.path}/top.qcow2")
    pool.names()
    identity = define(lab_host, "snapped", disk(pool, "top.qcow2", "vda"), disk(pool, "own.qcow2", "vdb"))
    # As they are accepted by their headers: without snapshots inside.
    refresh(dashboard, pool.name)
    for name in ("below.qcow2", "top.qcow2", "own.qcow2"):
        volume(dashboard, number_of, name)

    def now(pattern: int, *names: str) -> None:
        for name in names:
            write(pool, name, pattern, MIB)

    now(2, "top.qcow2", "own.qcow2")
    lab_host.virsh("snapshot-create-as", "snapped", "one")
    now(3, "top.qcow2", "own.qcow2")
    layers = (f"--diskspec={target},file={pool.path}/{name}" for target, name in LAYERS.items())
    lab_host.virsh("snapshot-create-as", "snapped", "with layers", "--disk-only", *layers)
    now(4, *LAYERS.values())
    pool.names()
    lab_host.virsh("start", "snapped", "--paused")
    yield identity
    take_vms_away(lab_host)
    lab_host.virsh("destroy", "snapped")
    for name in ("with layers", "one"):
        lab_host.virsh("snapshot-delete", "snapped", name, "--metadata")
    undefine(lab_host, "snapped")


def restored(dashboard: Dashboard, vm: int, snapshot: str, name: str, *ends: str) -> dict[str, Any]:
    asked = dashboard.post(
        f"/vms/{vm}/snapshots/{quote(snapshot)}/restore-as", {"name": name, "networks": [{"network": None}]}
    )
    assert asked.status == 202, asked
    return dashboard.await_operation(asked.body["operation"]["id"], *(ends or ("succeeded",)), within=60)


def test_it_holds_what_was_there_then(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, source: str
) -> None:
    vm = dashboard.vm(source)
    for name in ("below.qcow2", "top.qcow2", "own.qcow2"):
        volume(dashboard, number_of, name)
    eventually(lambda: int(dashboard.do(KNOWN.format(vm=vm))) == 2, "its snapshots are known", within=60)
    for snapshot, pattern in (("one", 2), ("with layers", 3)):
        name = f"as-{pattern}"
        made = restored(dashboard, vm, snapshot, name)
        assert any(line["code"] == "volume_made" for line in made["log"])
        for file in (f"{name}.qcow2", f"{name}-2.qcow2"):
            holds(pool, file, pattern, MIB)
        holds(pool, f"{name}.qcow2", 1, 0)
        assert lab_host.virsh("domstate", name).strip() == "shut off"
        assert lab_host.virsh("domstate", "snapped").strip() == "paused"
    never = dashboard.post(f"/vms/{vm}/snapshots/never/restore-as", {"name": "as-never"})
    assert never.status == 404
