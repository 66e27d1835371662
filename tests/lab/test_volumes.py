"""Volumes of a real pool: made, grown, copied, wiped, deleted; of the host no byte comes out by a hostile one."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.headers.images import MIB, hostile, made, put
from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard

CANARY = b"canary-of-the-host"


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
            with (pool.folder / name).open("r+b") as file:
                file.seek(5 * MIB)
                file.write(os.urandom(MIB))
        ask(dashboard, f"/volumes/{found['id']}/clone", {"name": f"copy-{name}"})
        copy = volume(dashboard, number_of, f"copy-{name}")
        assert (copy["format"], copy["capacity_bytes"]) == (format, 8 * MIB)
        assert (pool.folder / f"copy-{name}").read_bytes() == (pool.folder / name).read_bytes()
        assert (pool.folder / f"copy-{name}").stat().st_blocks * 512 < 3 * MIB, "its holes are holes"
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
    asked = dashboard.request("DELETE", f"/api/v1{path}")
    if asked.status == 202:
        ended = dashboard.await_operation(asked.body["operation"]["id"], "failed")
        assert ended["error"]["code"] == "volume_used"
    else:
        # Whatever else was read meanwhile brought it.
        assert asked.body["code"] == "volume_used", asked
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
    guest.domain.create()
    dashboard.await_state(vm, "running")
    ask(dashboard, f"{path}/grow", {"size_bytes": 6 * MIB})
    assert guest.domain.blockInfo("vdz")[0] == 6 * MIB, "its guest sees it grown"
    assert listed(dashboard, number_of)["used"]["capacity_bytes"] == 6 * MIB
    refused = dashboard.post(f"{path}/clone", {"name": "torn"})
    assert (refused.status, refused.body["code"]) == (409, "volume_runs")
    guest.domain.destroy()
    connection.defineXML(without)
    connection.close()
    eventually(lambda: not dashboard.get(f"{path}/users")["vms"], "nothing uses it")
    dashboard.await_operation(dashboard.request("DELETE", f"/api/v1{path}").body["operation"]["id"], "succeeded")


def test_no_byte_of_the_host_comes_out(
    dashboard: Dashboard, pool: LabPool, number_of: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Found in a pool, or written by a guest over its raw disk: refused, and never copied."""
    canary = pool.host.images / "canary"
    whole = (CANARY * 4096).ljust(4 * MIB, b"\0")
    canary.write_bytes(whole)
    os.utime(canary, (1e9, 1e9))
    owner = owner_of(dashboard, number_of)
    there = "/var/lib/libvirt/images/canary"
    plain = made(tmp_path_factory.mktemp("images"), "qcow2", size=MIB)
    bad = hostile(plain, there)
    for name, image in bad.items():
        (pool.folder / f"bad-{name}").write_bytes(image)
    (pool.folder / "good").write_bytes(plain)
    (pool.folder / "folder").mkdir()
    (pool.folder / "boot.iso").write_bytes(put(bytes(MIB), 32769, b"CD001"))
    pool.host.run("mknod", f"{pool.path}/device", "b", "7", "0")
    pool.host.run("mkfifo", f"{pool.path}/fifo")
    pool.host.run("ln", "-s", there, f"{pool.path}/link")
    pool.host.run("ln", there, f"{pool.path}/hard-link")
    pool.host.run("ln", "-s", "/var/lib/libvirt/images/nowhere", f"{pool.path}/dangling")
    disk = make(dashboard, number_of, "guests-disk", 4 * MIB, "raw")
    assert "good" in pool.names()
    for name in bad:
        found = volume(dashboard, number_of, f"bad-{name}", "refused")
        refused = dashboard.post(f"/volumes/{found['id']}/clone", {"name": "stolen"})
        assert refused.status == 409, refused
    assert volume(dashboard, number_of, "folder", "refused")["refusal"] == "folder"
    assert volume(dashboard, number_of, "good")["format"] == "qcow2"
    assert volume(dashboard, number_of, "boot.iso")["format"] == "raw"
    # libvirt lists neither; of a device it tells that it is a file.
    assert not {"fifo", "dangling"} & set(listed(dashboard, number_of))
    for format in ("raw", "qcow2"):
        wish = {"name": "dangling", "size_bytes": MIB, "format": format}
        assert ask(dashboard, f"/pools/{number_of}/volumes", wish, "failed")["error"]["code"] == "host_refused"
        assert not (pool.host.images / "nowhere").exists(), "nothing is made where a link leads"
    for image, named in ((bad["backing"], "qcow2"), (bad["text"], None), (bad["hollow"], "vmdk")):
        with (pool.folder / "guests-disk").open("r+b") as file:
            file.write(image.ljust(4 * MIB, b"\0"))
        # Before the pool was looked through, nothing but the bytes says so.
        ended = dashboard.post(f"/volumes/{disk['id']}/clone", {"name": "stolen"})
        if ended.status == 202:
            operation = dashboard.await_operation(ended.body["operation"]["id"], "failed")
            assert operation["error"]["params"] == {"reason": "other_format"}, operation
        else:
            assert ended.body["code"] == "volume_strayed", ended
        assert "stolen" not in pool.names()
        status, body = download(dashboard, disk["id"], dashboard.token)
        assert status == 422 and b"refused_image" in body and CANARY not in body, body[:200]
        if named:
            eventually(lambda: listed(dashboard, number_of)["guests-disk"]["strayed"], "the pool tells another format")
            refused = dashboard.post(f"/volumes/{disk['id']}/clone", {"name": "stolen"})
            assert (refused.status, refused.body["code"]) == (409, "volume_strayed")
        assert listed(dashboard, number_of)["guests-disk"]["format"] == "raw"
    for name in ("link", "hard-link"):
        refuse_all(dashboard, listed(dashboard, number_of)[name]["id"], owner, "volume_found")
    # A disk that was made here, and is by now a link to a file of the same size that was there before.
    swapped = make(dashboard, number_of, "swapped", 4 * MIB, "raw")["id"]
    pool.host.run("ln", "-sf", there, f"{pool.path}/swapped")
    refuse_all(dashboard, swapped, owner, "volume_swapped")
    assert "swapped" in pool.names()
    assert canary.read_bytes() == whole, "nothing was written through a link"
    good = listed(dashboard, number_of)["good"]["id"]
    refuse_all(dashboard, good, owner, "volume_found")
    dashboard.do(f"from vms.models import Storage; Storage.objects.filter(pools={number_of}).update(trusted=True)")
    ask(dashboard, f"/volumes/{good}/clone", {"name": "copy-of-good"})
    assert (pool.folder / "copy-of-good").read_bytes() == plain
    holding = subprocess.run(["grep", "-rlF", CANARY.decode(), pool.folder], capture_output=True, text=True, timeout=60)
    assert {line.rsplit("/", 1)[1] for line in holding.stdout.split()} <= {"link", "hard-link", "swapped"}, holding


def test_a_pool_that_vanishes_leaves_nothing_half_made(dashboard: Dashboard, lab_host: LabHost) -> None:
    with folder_pool(lab_host) as gone:
        number = int(eventually(lambda: pool_id(dashboard, gone), "the pool is known"))
        found = make(dashboard, number, "stays", MIB, "raw")
        connection = lab_host.connect()
        there = connection.storagePoolLookupByUUIDString(gone.uuid)
        there.destroy()
        there.undefine()
        connection.close()
        asked = {
            f"/pools/{number}/volumes": {"name": "new", "size_bytes": MIB, "format": "raw"},
            f"/volumes/{found['id']}/clone": {"name": "copy"}, f"/volumes/{found['id']}/grow": {"size_bytes": 2 * MIB},
        }  # fmt: skip
        for path, body in asked.items():
            answer = dashboard.post(path, body)
            if answer.status == 202:
                dashboard.await_operation(answer.body["operation"]["id"], "failed")
            else:
                assert answer.status in (404, 409, 422), (path, answer)
        assert download(dashboard, found["id"], dashboard.token)[0] in (404, 409)
        half = "SELECT name FROM vms_volume WHERE state = 'incomplete' AND name IN ('new', 'copy')"
        assert not dashboard.query(half) and [path.name for path in gone.folder.iterdir()] == ["stays"]


def refuse_all(dashboard: Dashboard, volume: int, owner: str, code: str) -> None:
    """Whatever hands its bytes on or writes to it is refused for that reason, to the pool's owner and to everybody;
    at once, or when the host is asked."""
    asked = {"clone": {"name": "stolen"}, "grow": {"size_bytes": 8 * MIB}, "wipe": None}
    for token in (owner, dashboard.token):
        sent = {"Authorization": f"Bearer {token}"}
        for verb, body in asked.items():
            answer = dashboard.request("POST", f"/api/v1/volumes/{volume}/{verb}", body, **sent)
            if answer.status == 202:
                operation = dashboard.await_operation(answer.body["operation"]["id"], "failed")
                assert operation["error"]["code"] == code, operation
            else:
                assert (answer.status, answer.body["code"]) == (409, code), (verb, answer)
        status, answered = download(dashboard, volume, token)
        assert status == 409 and code.encode() in answered and CANARY not in answered, (status, answered[:200])


def download(dashboard: Dashboard, volume: int, token: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=30)
    connection.request("GET", f"/transfer/volumes/{volume}", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def owner_of(dashboard: Dashboard, pool: int) -> str:
    """The token of somebody who owns the pool and is no administrator."""
    name = f"owner-{pool}"
    dashboard.do(
        "from vms.models import Grant, Role, User; "
        f"user = User.objects.create(username='{name}'); "
        f"Grant.objects.create(role=Role.objects.get(name='owner'), user=user, pool_id={pool})"
    )
    return dashboard.manage("create_token", name, "--scope=all").split()[-1]


@pytest.fixture
def shared(
    dashboard: Dashboard, pool: LabPool, number_of: int, other_host: tuple[int, Guests]
) -> Iterator[tuple[LabHost, str]]:
    """The other host, and where it has the pool's folder: one storage, as an administrator has said."""
    row, guests = other_host
    with folder_pool(guests.host) as other:
        guests.host.run("mount", "--bind", str(pool.folder), other.path)
        try:
            eventually(lambda: pool_id(dashboard, other), "the pool of the other host is known")
            dashboard.do(
                "from vms.models import StoragePool as P; "
                f"P.objects.filter(host={row}).update(storage=P.objects.get(pk={number_of}).storage_id)"
            )
            yield guests.host, other.path
        finally:
            guests.host.run("umount", "--lazy", other.path)


@pytest.mark.long
def test_one_folder_on_two_hosts(
    dashboard: Dashboard, pool: LabPool, number_of: int, shared: tuple[LabHost, str], other_host: tuple[int, Guests]
) -> None:
    """Who uses it is asked of both; while one is silent nothing is deleted."""
    host, path = shared
    found = make(dashboard, number_of, "on-both", 4 * MIB, "raw")
    guest = other_host[1].make("far-user")
    disk = (
        "<disk type='file'><driver name='qemu' type='raw'/>"
        f"<source file='{path}/on-both'/><target dev='vdz' bus='virtio'/></disk>"
    )
    guest.domain.attachDeviceFlags(disk, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    connection = host.connect()
    connection.defineXML(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    vm, address = dashboard.vm(guest.uuid), f"/volumes/{found['id']}"
    eventually(lambda: [one["id"] for one in dashboard.get(f"{address}/users")["vms"]] == [vm], "its user is known")
    refused = dashboard.request("DELETE", f"/api/v1{address}")
    assert (refused.status, refused.body["code"]) == (409, "volume_used")
    # It grows where its guest runs, which is not where it was made.
    guest.domain.create()
    dashboard.await_state(vm, "running")
    ask(dashboard, f"{address}/grow", {"size_bytes": 6 * MIB})
    assert guest.domain.blockInfo("vdz")[0] == 6 * MIB
    guest.domain.destroy()
    guest.domain.detachDeviceFlags(disk, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    connection.defineXML(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    connection.close()
    eventually(lambda: not dashboard.get(f"{address}/users")["vms"], "nothing uses it")
    libvirtd = host.pid("libvirtd")
    os.kill(libvirtd, signal.SIGSTOP)
    try:
        silent = f"SELECT 1 FROM vms_host WHERE id = {other_host[0]} AND error_code != ''"
        eventually(lambda: dashboard.query(silent), "it is not heard", within=60)
        refused = dashboard.request("DELETE", f"/api/v1{address}")
        assert (refused.status, refused.body["code"]) == (409, "host_silent"), refused
    finally:
        os.kill(libvirtd, signal.SIGCONT)
    eventually(lambda: not dashboard.query(silent), "it is heard again", within=60)
    dashboard.await_operation(dashboard.request("DELETE", f"/api/v1{address}").body["operation"]["id"], "succeeded")
    assert not (pool.folder / "on-both").exists()


@pytest.mark.long
def test_a_clone_goes_to_another_host(
    dashboard: Dashboard, pool: LabPool, number_of: int, other_host: tuple[int, Guests]
) -> None:
    with folder_pool(other_host[1].host) as other:
        there = int(eventually(lambda: pool_id(dashboard, other), "the pool of the other host is known"))
        found = make(dashboard, number_of, "goes-far", 600 * MIB, "raw")
        with (pool.folder / "goes-far").open("r+b") as file:
            file.seek(200 * MIB)
            file.write(os.urandom(MIB) * 300)
        address = f"/volumes/{found['id']}/clone"
        asked = dashboard.post(address, {"name": "copy", "pool": there}).body["operation"]["id"]
        eventually(lambda: (other.folder / "copy").exists(), "it has begun", within=60)
        assert dashboard.post(f"/operations/{asked}/cancel").status in (200, 202)
        dashboard.await_operation(asked, "cancelled")
        assert not (other.folder / "copy").exists() and "copy" not in listed(dashboard, there)
        ask(dashboard, address, {"name": "copy", "pool": there})
        assert volume(dashboard, there, "copy")["capacity_bytes"] == 600 * MIB
        assert sum_of(pool.folder / "goes-far") == sum_of(other.folder / "copy")
        assert (other.folder / "copy").stat().st_blocks * 512 < 310 * MIB, "its holes are holes"


def sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_a_copy_of_much_takes_little_of_the_workers_memory(
    dashboard: Dashboard, lab_host: LabHost, pool: LabPool, number_of: int
) -> None:
    """libvirt's client would keep whatever the host sends before it is read."""
    size = 384 * MIB
    found = make(dashboard, number_of, "much", size, "raw")
    with (pool.folder / "much").open("r+b") as file:
        for _ in range(size // (16 * MIB)):
            file.write(os.urandom(16 * MIB))
    worker = dashboard.pid("worker")
    with folder_pool(lab_host) as other:
        into = int(eventually(lambda: pool_id(dashboard, other), "the pool is known"))
        # Its peak is what it has now.
        Path(f"/proc/{worker}/clear_refs").write_text("5")
        before = peak(worker)
        ask(dashboard, f"/volumes/{found['id']}/clone", {"name": "copy", "pool": into})
        assert (other.folder / "copy").stat().st_size == size
        assert peak(worker) - before < 48 * MIB


def peak(pid: int) -> int:
    """The most bytes of memory that the process has had at a time."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10
