"""Volumes of a real pool: made, grown, copied, wiped, deleted; of the host no byte comes out by a hostile one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import libvirt
import pytest

from tests.headers.images import MIB, hollow_vmdk, made, number, put, qcow2_over, text_vmdk
from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard

CANARY = b"canary-of-the-host"


@pytest.fixture(scope="module")
def pool(lab_host: LabHost) -> Iterator[LabPool]:
    with folder_pool(lab_host) as there:
        yield there


@pytest.fixture
def number_of(dashboard: Dashboard, pool: LabPool) -> int:
    """The pool's id in the dashboard."""
    return int(eventually(lambda: pool_id(dashboard, pool), "the pool is known"))


def pool_id(dashboard: Dashboard, pool: LabPool) -> int | None:
    found = dashboard.get("/pools?page_size=200")["items"]
    return next((item["id"] for item in found if item["name"] == pool.name and item["active"]), None)


def listed(dashboard: Dashboard, pool: int) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in dashboard.get(f"/pools/{pool}/volumes?page_size=200")["items"]}


def volume(dashboard: Dashboard, pool: int, name: str, state: str = "ready") -> dict[str, Any]:
    """The volume, once it is in that state."""

    def found() -> dict[str, Any] | None:
        item = listed(dashboard, pool).get(name)
        return item if item and item["state"] == state else None

    return eventually(found, f"{name} is {state}", within=60)


def ask(dashboard: Dashboard, path: str, body: dict[str, Any] | None = None, *ends: str) -> dict[str, Any]:
    """The operation after its end."""
    answer = dashboard.post(path, body)
    assert answer.status == 202, answer
    return dashboard.await_operation(answer.body["operation"]["id"], *(ends or ("succeeded",)))


def make(dashboard: Dashboard, pool: int, name: str, size: int, format: str) -> dict[str, Any]:
    ask(dashboard, f"/pools/{pool}/volumes", {"name": name, "size_bytes": size, "format": format})
    return volume(dashboard, pool, name)


def test_a_volume_lives(dashboard: Dashboard, pool: LabPool, number_of: int) -> None:
    for format in ("raw", "qcow2"):
        name = f"disk.{format}"
        found = make(dashboard, number_of, name, 4 * MIB, format)
        assert (found["format"], found["told_format"], found["capacity_bytes"]) == (format, format, 4 * MIB)
        ask(dashboard, f"/volumes/{found['id']}/grow", {"size_bytes": 8 * MIB})
        assert listed(dashboard, number_of)[name]["capacity_bytes"] == 8 * MIB
        if format == "raw":
            (pool.folder / name).write_bytes(os.urandom(8 * MIB))
        ask(dashboard, f"/volumes/{found['id']}/clone", {"name": f"copy-{name}"})
        copy = volume(dashboard, number_of, f"copy-{name}")
        assert (copy["format"], copy["capacity_bytes"]) == (format, 8 * MIB)
        assert (pool.folder / f"copy-{name}").read_bytes() == (pool.folder / name).read_bytes()
        ask(dashboard, f"/volumes/{copy['id']}/wipe")
        assert not any((pool.folder / f"copy-{name}").read_bytes())
        assert volume(dashboard, number_of, f"copy-{name}")["format"] == "raw"
        for item in (found, copy):
            operation = dashboard.request("DELETE", f"/api/v1/volumes/{item['id']}").body["operation"]
            dashboard.await_operation(operation["id"], "succeeded")
        assert not (pool.folder / name).exists() and name not in listed(dashboard, number_of)
    again = dashboard.post(f"/pools/{number_of}/volumes", {"name": "-rf", "size_bytes": MIB, "format": "raw"})
    assert again.status == 422, again


def test_what_a_vm_uses_is_not_deleted(
    lab_host: LabHost, dashboard: Dashboard, guests: Guests, pool: LabPool, number_of: int
) -> None:
    found = make(dashboard, number_of, "used", 4 * MIB, "raw")
    guest = guests.make("volume-user")
    disk = (
        "<disk type='file'><driver name='qemu' type='raw'/>"
        f"<source file='{pool.path}/used'/><target dev='vdz' bus='virtio'/></disk>"
    )
    path = f"/volumes/{found['id']}"
    # libvirt tells nobody of this change: the host is asked once more before anything is deleted.
    guest.domain.attachDeviceFlags(disk, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    asked = dashboard.request("DELETE", f"/api/v1{path}").body["operation"]["id"]
    assert dashboard.await_operation(asked, "failed")["error"]["code"] == "volume_used"
    assert (pool.folder / "used").exists()
    with_disk = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    guest.domain.detachDeviceFlags(disk, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    without = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    connection = lab_host.connect()
    connection.defineXML(with_disk)
    vm = dashboard.vm(guest.uuid)
    eventually(lambda: [one["id"] for one in dashboard.get(f"{path}/users")["vms"]] == [vm], "its user is known")
    refused = dashboard.request("DELETE", f"/api/v1{path}")
    assert (refused.status, refused.body["code"]) == (409, "volume_used")
    connection.defineXML(without)
    connection.close()
    eventually(lambda: not dashboard.get(f"{path}/users")["vms"], "nothing uses it")
    dashboard.await_operation(dashboard.request("DELETE", f"/api/v1{path}").body["operation"]["id"], "succeeded")


def test_no_byte_of_the_host_comes_out(
    dashboard: Dashboard, pool: LabPool, number_of: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Found in a pool, or written by a guest over its raw disk: refused, and never copied."""
    canary = pool.host.images / "canary"
    canary.write_bytes(CANARY * 4096)
    there = "/var/lib/libvirt/images/canary"
    plain = made(tmp_path_factory.mktemp("images"), "qcow2", size=MIB)
    over = qcow2_over(plain, there)
    data = put(number(plain, 72, 4, 8), 112, b"DATA" + len(there).to_bytes(4, "big") + there.encode())
    hostile = {
        "backing": over, "nested": qcow2_over(plain, 'json:{"driver":"file","filename":"' + there + '"}'),
        "data": data, "text": text_vmdk(there, 128), "hollow": hollow_vmdk(there),
        "unknown": number(plain, 72, 1 << 40, 8), "encrypted": number(plain, 32, 1),
    }  # fmt: skip
    for name, image in hostile.items():
        (pool.folder / f"bad-{name}").write_bytes(image)
    (pool.folder / "good").write_bytes(plain)
    (pool.folder / "folder").mkdir()
    (pool.folder / "boot.iso").write_bytes(put(bytes(MIB), 32769, b"CD001"))
    pool.host.run("mknod", f"{pool.path}/device", "b", "7", "0")
    pool.host.run("mkfifo", f"{pool.path}/fifo")
    pool.host.run("ln", "-s", there, f"{pool.path}/link")
    disk = make(dashboard, number_of, "guests-disk", 4 * MIB, "raw")
    assert "good" in pool.names()
    for name in hostile:
        found = volume(dashboard, number_of, f"bad-{name}", "refused")
        refused = dashboard.post(f"/volumes/{found['id']}/clone", {"name": "stolen"})
        assert refused.status == 409, refused
    assert volume(dashboard, number_of, "folder", "refused")["refusal"] == "folder"
    assert volume(dashboard, number_of, "good")["format"] == "qcow2"
    assert volume(dashboard, number_of, "boot.iso")["format"] == "raw"
    print({name: (item["kind"], item["state"], item["refusal"]) for name, item in listed(dashboard, number_of).items()})
    for image, named in ((over, "qcow2"), (text_vmdk(there, 128), None), (hollow_vmdk(there), "vmdk")):
        (pool.folder / "guests-disk").write_bytes(image.ljust(4 * MIB, b"\0"))
        # Before the pool was looked through, nothing but the bytes says so.
        ended = dashboard.post(f"/volumes/{disk['id']}/clone", {"name": "stolen"})
        if ended.status == 202:
            operation = dashboard.await_operation(ended.body["operation"]["id"], "failed")
            assert operation["error"]["params"] == {"reason": "other_format"}, operation
        else:
            assert ended.body["code"] == "volume_strayed", ended
        assert "stolen" not in pool.names()
        if named:
            eventually(lambda: listed(dashboard, number_of)["guests-disk"]["strayed"], "the pool tells another format")
            refused = dashboard.post(f"/volumes/{disk['id']}/clone", {"name": "stolen"})
            assert (refused.status, refused.body["code"]) == (409, "volume_strayed")
        assert listed(dashboard, number_of)["guests-disk"]["format"] == "raw"
    holding = subprocess.run(["grep", "-rlF", CANARY.decode(), pool.folder], capture_output=True, text=True, timeout=60)
    assert {line.rsplit("/", 1)[1] for line in holding.stdout.split()} <= {"link"}, holding
