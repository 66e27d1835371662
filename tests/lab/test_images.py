"""Images on real hosts: fetched from a server that hangs up, refused where they do harm, brought to a second host."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.headers.images import MIB, made, number, qcow2_over
from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.sending import pool_of
from tests.lab.stack import ADMIN, Dashboard
from tests.osdata.test_osdata import iso
from tests.webserver import Reply, WebServer, body, moved, partly, web_server

# Of a disk that starts; not a whole number of pieces.
DISK = bytes(510) + b"\x55\xaa" + hashlib.sha256(b"disk").digest() * (5 * MIB // 32) + b"end"
SHA = hashlib.sha256(DISK).hexdigest()
CANARY = b"canary-of-the-host"
TAG = 'ETag: "one"'


@pytest.fixture(scope="module")
def lab_pool(lab_host: LabHost) -> Iterator[LabPool]:
    with folder_pool(lab_host) as there:
        yield there


@pytest.fixture
def pool(dashboard: Dashboard, lab_pool: LabPool) -> int:
    return pool_of(dashboard, lab_pool)


def fetch(dashboard: Dashboard, pool: int, url: str, **more: str) -> dict[str, Any]:
    """The operation after its end."""
    answer = dashboard.post("/images", {"pool": pool, "url": url, **more})
    assert answer.status == 202, answer
    return dashboard.await_operation(answer.body["operation"]["id"], "succeeded", "failed", within=60)


def images(dashboard: Dashboard, pool: int) -> dict[str, dict[str, Any]]:
    """Those with a copy in the pool, by its name."""
    found = dashboard.get("/images?page_size=200")["items"]
    return {copy["name"]: image for image in found for copy in image["copies"] if copy["pool"] == pool}


def test_a_fetch_goes_on_where_its_server_hung_up(
    dashboard: Dashboard, pool: int, lab_pool: LabPool, mirror: WebServer
) -> None:
    mirror.pages["/debian-13-genericcloud-amd64.raw"] = partly(DISK, 2 * MIB, TAG)
    mirror.pages["/latest"] = moved("/debian-13-genericcloud-amd64.raw")
    mirror.asked.clear()
    ended = fetch(dashboard, pool, mirror.url("/latest"), name="fetched.raw", checksum=SHA)
    assert ended["state"] == "succeeded", ended
    assert (lab_pool.folder / "fetched.raw").read_bytes() == DISK
    assert sum("Range: bytes=" in head for head in mirror.asked if "/debian" in head) == 2
    image = images(dashboard, pool)["fetched.raw"]
    assert (image["sha256"], image["kind"], image["size_bytes"]) == (SHA, "disk", len(DISK))
    assert image["source_url"] == mirror.url("/latest")


def over(folder: Path) -> bytes:
    return qcow2_over(made(folder, "qcow2"), str(folder / "canary"))


def outside(folder: Path) -> bytes:
    """A qcow2 whose bytes are in another file."""
    return made(folder, "qcow2", f"data_file={folder / 'canary'}", "data_file_raw=on", size=MIB)


def unknown(folder: Path) -> bytes:
    """A qcow2 of a version to come."""
    return number(made(folder, "qcow2"), 4, 9)


@pytest.mark.parametrize(("image", "reason"), [(over, "backing_file"), (outside, "data_file"), (unknown, "")])
def test_an_image_that_does_harm_is_refused_and_nothing_is_left(
    dashboard: Dashboard, pool: int, lab_pool: LabPool, mirror: WebServer, tmp_path: Path,
    image: Callable[[Path], bytes], reason: str,
) -> None:  # fmt: skip
    (tmp_path / "canary").write_bytes(CANARY.ljust(MIB, b"."))
    mirror.pages["/harm.qcow2"] = body(image(tmp_path), TAG)
    ended = fetch(dashboard, pool, mirror.url("/harm.qcow2"))
    assert ended["error"]["code"] == "refused_image", ended
    if reason:
        assert reason in ended["error"]["params"]["reason"]
    nothing_left(dashboard, lab_pool, "harm.qcow2")


def nothing_left(dashboard: Dashboard, lab_pool: LabPool, name: str) -> None:
    assert name not in lab_pool.names() and not (lab_pool.folder / name).exists()
    for table in ("vms_volume", "vms_image"):
        assert not dashboard.query(f"SELECT 1 FROM {table} WHERE name = ?", name)
    held = (
        "SELECT 1 FROM vms_reservation r JOIN vms_operation o ON o.id = r.operation_id "
        "WHERE o.state IN ('queued', 'running', 'cancelling') AND o.params LIKE ?"
    )
    assert not dashboard.query(held, f"%{name}%")


def test_what_is_not_what_was_asked_for_is_refused_and_nothing_is_left(
    dashboard: Dashboard, pool: int, lab_pool: LabPool, mirror: WebServer
) -> None:
    with web_server() as inside:
        inside.pages["/metadata"] = body(DISK)
        pages: list[tuple[Reply, str, str]] = [
            (body(DISK, TAG), "0" * 64, "checksum_differs"),
            (partly(DISK, 3 * MIB), "", "outbound_broken"),
            (body(b"<html>there is no such image</html>"), "", "image_refused"),
            (moved(inside.url("/metadata")), "", "outbound_refused"),
            (moved(inside.url("/metadata", "localhost")), "", "outbound_refused"),
            (moved(f"http://127.0.0.1:{dashboard.port}/"), "", "outbound_refused"),
            (moved("http://[::ffff:7f00:1]/"), "", "outbound_refused"),
        ]
        for page, checksum, code in pages:
            mirror.pages["/other.raw"] = page
            ended = fetch(dashboard, pool, mirror.url("/other.raw"), checksum=checksum)
            assert ended["error"]["code"] == code, ended
            nothing_left(dashboard, lab_pool, "other.raw")
        assert inside.asked == []


def test_what_lies_in_a_folder_appears_after_a_refresh(dashboard: Dashboard, pool: int, lab_pool: LabPool) -> None:
    """By its label, by its name; a disk that may be a VM's is none."""
    folder = lab_pool.folder
    (folder / "installer.iso").write_bytes(iso("Debian 13.1.0 amd64 n").ljust(MIB, b"\0"))
    (folder / "noble-server-cloudimg-arm64.img").write_bytes(made(folder, "qcow2"))
    (folder / "made.qcow2").rename(folder / "web-01.qcow2")
    answer = dashboard.post(f"/pools/{pool}/refresh")
    dashboard.await_operation(answer.body["operation"]["id"], "succeeded")
    wanted = {"installer.iso", "noble-server-cloudimg-arm64.img"}
    eventually(lambda: wanted <= images(dashboard, pool).keys(), "they appear", within=60)
    found = images(dashboard, pool)
    assert {name: (found[name]["kind"], found[name]["os"], found[name]["arch"]) for name in wanted} == {
        "installer.iso": ("iso", "debian13", "x86_64"),
        "noble-server-cloudimg-arm64.img": ("disk", "ubuntu24.04", "aarch64"),
    }
    looked = "SELECT 1 FROM vms_volume WHERE name = 'web-01.qcow2' AND state = 'ready'"
    eventually(lambda: dashboard.query(looked), "the disk was looked at too", within=60)
    assert "web-01.qcow2" not in images(dashboard, pool)


# What an operation does that needs an image on a host first.
PLACE = """
from vms.models import Operation, Reservation, StoragePool, User
from vms.operations.images import place, unplace
from vms.operations.work import Work
from vms.virt import HostSpec, connect

pool = StoragePool.objects.get(pk={pool})
operation = Operation.objects.create(
    kind="volume.create", actor_user=User.objects.get(username="{admin}"), actor_name="{admin}", target_kind="pool",
    target_id=pool.pk, target_name=pool.name, host=pool.host, pool=pool, node=pool.host.node, queue="slow",
    state="failed", params={{"name": "vm.qcow2"}},
)
with connect(HostSpec(**pool.host.spec_fields())) as connection:
    work = Work(operation, connection, lambda: None, beside=lambda: connection, heard=lambda: None)
    copy, where = place(work, {image}, pool)
    unplace(connection, operation)
print(copy.volume.name, where.pk == pool.pk, copy.image_id, copy.volume.sha256)
"""


@pytest.mark.long
def test_an_image_is_brought_to_a_second_host(
    dashboard: Dashboard, pool: int, lab_pool: LabPool, mirror: WebServer, other_host: tuple[int, Guests]
) -> None:
    mirror.pages["/brought.raw"] = body(DISK[:512] + DISK[512:][::-1], TAG)
    assert fetch(dashboard, pool, mirror.url("/brought.raw"))["state"] == "succeeded"
    image = images(dashboard, pool)["brought.raw"]
    whole = (lab_pool.folder / "brought.raw").read_bytes()
    _, guests = other_host
    with folder_pool(guests.host) as far:
        there = pool_of(dashboard, far)
        copied = dashboard.do(
            "from vms.models import Image, StoragePool, User; from vms.permissions import Actor; "
            "from vms.services import images; "
            f"print(images.copy(Actor(User.objects.get(username='{ADMIN}')), Image.objects.get(pk={image['id']}), "
            f"StoragePool.objects.get(pk={there}), name='copied.raw').pk)"
        )
        dashboard.await_operation(int(copied), "succeeded", within=60)
        assert (far.folder / "copied.raw").read_bytes() == whole
        assert set(images(dashboard, there)) == {"copied.raw"} and images(dashboard, there)["copied.raw"] == image | {
            "copies": images(dashboard, there)["copied.raw"]["copies"]
        }
        # As a step of something else: what is there is taken, what is not is brought.
        words = {"pool": there, "admin": ADMIN, "image": image["id"]}
        assert dashboard.do(PLACE.format(**words)).split()[:2] == ["copied.raw", "True"]
        [(copy,)] = dashboard.query("SELECT id FROM vms_volume WHERE name = 'copied.raw'")
        gone = dashboard.request("DELETE", f"/api/v1/volumes/{copy}").body["operation"]["id"]
        dashboard.await_operation(gone, "succeeded")
        brought = ["brought.raw", "True", str(image["id"]), hashlib.sha256(whole).hexdigest()]
        assert dashboard.do(PLACE.format(**words)).split() == brought
        assert (far.folder / "brought.raw").read_bytes() == whole
