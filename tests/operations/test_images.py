"""Images fetched, copied and read by a worker whose hosts exist in this process; the server is a real one."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from kvmweb.environment import outbound_allow
from tests.fakehost import FakeHost
from tests.grants import grant
from tests.headers.images import MIB, made, qcow2_over
from tests.operations.conftest import Stage
from tests.osdata.test_osdata import iso
from tests.webserver import WebServer, body, moved, partly, status, web_server
from vms import live
from vms.errors import (
    Aborted,
    BadFields,
    ChecksumDiffers,
    HostRefused,
    HostUnreachable,
    ImageRefused,
    Locked,
    NotAllowed,
    OverQuota,
    VolumeFound,
)
from vms.inventory import volumes as inventory
from vms.models import (
    Document,
    Host,
    Image,
    ImageCopy,
    Operation,
    OperationLock,
    Quota,
    Reservation,
    StoragePool,
    User,
    Volume,
)
from vms.operations import images as ways
from vms.operations.work import Work
from vms.osdata import CATALOGUE
from vms.permissions import Actor, visible_images
from vms.services import images, volumes
from vms.virt import HostSpec

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]

# 6 MiB of a disk that starts.
DISK = bytes(510) + b"\x55\xaa" + bytes(range(256)) * (6 * MIB // 256 - 2)
SHA = hashlib.sha256(DISK).hexdigest()


@pytest.fixture
def server(stage: Stage, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """What the site allows to be fetched from."""
    monkeypatch.setattr(ways, "PAUSE", 0.01)
    with web_server() as made:
        settings.ENVIRONMENT = replace(
            settings.ENVIRONMENT, outbound_allow=outbound_allow(f"127.0.0.1:{made.port}")
        )  # fmt: skip
        made.pages["/debian-13-amd64.img"] = body(DISK, 'ETag: "one"')
        yield made


def bytes_of(stage: Stage, name: str) -> bytes | None:
    return next((data for (_, called), data in stage.fake.volumes.items() if called == name), None)


def nothing_left(stage: Stage) -> None:
    assert stage.fake.volumes == {}
    assert not Volume.objects.exists() and not Image.objects.exists()
    assert not OperationLock.objects.exists() and not Reservation.objects.filter(operation__state="running").exists()


def fetch(stage: Stage, pool: StoragePool, server: WebServer, path: str = "/debian-13-amd64.img", **more: str) -> Any:
    return images.fetch(stage.actor, pool, url=server.url(path), **more)


def test_what_is_fetched_is_a_volume_and_an_image(
    stage: Stage, pool: StoragePool, server: WebServer, done: Done
) -> None:
    server.pages["/latest"] = moved("/debian-13-amd64.img")
    operation = done(fetch(stage, pool, server, "/latest?key=word", name="trixie.img", checksum=SHA))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    assert bytes_of(stage, "trixie.img") == DISK
    volume = Volume.objects.get()
    assert (volume.state, volume.format, volume.sha256, volume.owner) == ("ready", "raw", SHA, stage.actor.user)
    image = Image.objects.get()
    assert (image.sha256, image.kind, image.name, image.size_bytes) == (SHA, "disk", "trixie.img", len(DISK))
    assert (image.os, image.source_url) == ("debian13", server.url("/latest"))
    assert ImageCopy.objects.get().published is False
    assert not OperationLock.objects.exists() and not Reservation.objects.exists()


def test_its_name_is_that_of_the_file(stage: Stage, pool: StoragePool, server: WebServer, done: Done) -> None:
    operation = fetch(stage, pool, server)
    assert operation.params["name"] == "debian-13-amd64.img"
    with pytest.raises(Locked):
        fetch(stage, pool, server)
    assert done(operation).state == "succeeded"
    with pytest.raises(BadFields):
        fetch(stage, pool, server)


def test_it_goes_on_where_the_server_went_away(stage: Stage, pool: StoragePool, server: WebServer, done: Done) -> None:
    server.pages["/debian-13-amd64.img"] = partly(DISK, MIB, 'ETag: "one"')
    assert done(fetch(stage, pool, server)).state == "succeeded"
    assert bytes_of(stage, "debian-13-amd64.img") == DISK
    assert [head.count("\nRange: ") for head in server.asked] == [0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("checksum", ["", SHA])
def test_a_server_that_tells_no_version_is_gone_on_with_only_where_a_checksum_will_tell(
    checksum: str, stage: Stage, pool: StoragePool, server: WebServer, done: Done
) -> None:
    server.pages["/debian-13-amd64.img"] = partly(DISK, 5 * MIB)
    operation = done(fetch(stage, pool, server, checksum=checksum))
    assert operation.state == ("succeeded" if checksum else "failed")
    if not checksum:
        assert operation.error_code == "outbound_broken"
        nothing_left(stage)


def test_what_became_another_meanwhile_is_not_kept(
    stage: Stage, pool: StoragePool, server: WebServer, done: Done
) -> None:
    def twice(connection: Any, request: str) -> None:
        first = "Range" not in request
        (partly(DISK, 5 * MIB, 'ETag: "one"') if first else body(DISK, 'ETag: "two"'))(connection, request)

    server.pages["/debian-13-amd64.img"] = twice
    operation = done(fetch(stage, pool, server))
    assert (operation.state, operation.error_code, operation.error_params) == (
        "failed", "image_refused", {"reason": "changed"}
    )  # fmt: skip
    nothing_left(stage)


def test_a_server_that_stays_away_is_given_up(stage: Stage, pool: StoragePool, server: WebServer, done: Done) -> None:
    def once(connection: Any, request: str) -> None:
        (status(503) if "Range" in request else partly(DISK, 5 * MIB, 'ETag: "one"'))(connection, request)

    server.pages["/debian-13-amd64.img"] = once
    operation = done(fetch(stage, pool, server))
    assert (operation.state, operation.error_code) == ("failed", "server_refused")
    assert len(server.asked) == 1 + ways.TRIES
    nothing_left(stage)


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (status(404), "server_refused"),
        (moved("http://10.0.0.1/"), "outbound_refused"),
        (body(b"<html>Not found</html>" + bytes(2000)), "image_refused"),
        (body(b"\xfd7zXZ\0" + bytes(2000)), "image_refused"),
        (body(b""), "image_refused"),
        (lambda connection, request: connection.sendall(b"HTTP/1.0 200 Fine\r\n\r\n" + DISK), "image_refused"),
    ],
)
def test_what_is_no_image_is_not_kept(
    page: Any, code: str, stage: Stage, pool: StoragePool, server: WebServer, done: Done
) -> None:
    server.pages["/debian-13-amd64.img"] = page
    operation = done(fetch(stage, pool, server))
    assert (operation.state, operation.error_code) == ("failed", code)
    assert stage.fake.calls == []
    nothing_left(stage)


def test_an_image_that_names_a_file_of_the_host_never_reaches_it(
    stage: Stage, pool: StoragePool, server: WebServer, done: Done, tmp_path: Any
) -> None:
    server.pages["/debian-13-amd64.img"] = body(qcow2_over(made(tmp_path, "qcow2"), "/etc/shadow"))
    operation = done(fetch(stage, pool, server))
    assert (operation.state, operation.error_code) == ("failed", "refused_image")
    assert operation.error_params["reason"] == "backing_file"
    assert stage.fake.calls == []
    nothing_left(stage)


def test_a_wrong_checksum_leaves_nothing(stage: Stage, pool: StoragePool, server: WebServer, done: Done) -> None:
    other = hashlib.sha512(b"other").hexdigest()
    operation = done(fetch(stage, pool, server, checksum=f"sha512:{other}"))
    assert (operation.state, operation.error_code) == ("failed", "checksum_differs")
    assert "upload debian-13-amd64.img" in stage.fake.calls
    nothing_left(stage)


def test_a_qcow2_counts_as_large_as_it_is_to_a_guest(
    stage: Stage, pool: StoragePool, server: WebServer, done: Done, tmp_path: Any
) -> None:
    image = made(tmp_path, "qcow2")
    server.pages["/x.qcow2"] = body(image)
    Quota.objects.create(user=stage.actor.user, disk_bytes=len(image))
    operation = done(fetch(stage, pool, server, "/x.qcow2"))
    assert (operation.state, operation.error_code) == ("failed", "over_quota")
    nothing_left(stage)
    Quota.objects.all().delete()
    assert done(fetch(stage, pool, server, "/x.qcow2")).state == "succeeded"
    row = Volume.objects.get()
    assert row.format == "qcow2" and row.capacity_bytes > len(image)
    assert Image.objects.get().virtual_bytes == row.capacity_bytes


def test_the_catalogues_checksum_is_fetched_first(
    stage: Stage, pool: StoragePool, server: WebServer, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = replace(
        CATALOGUE["debian13-x86_64"], url=server.url("/debian-13-amd64.img"), checksum_url=server.url("/SUMS")
    )
    monkeypatch.setitem(CATALOGUE, entry.id, entry)
    for sums, code in (("", "image_refused"), (f"{'0' * 64}  debian-13-amd64.img\n", "checksum_differs")):
        server.pages["/SUMS"] = body(sums.encode())
        assert done(images.fetch(stage.actor, pool, entry=entry.id)).error_code == code
        nothing_left(stage)
    server.pages["/SUMS"] = body(f"{SHA}  debian-13-amd64.img\n".encode())
    assert done(images.fetch(stage.actor, pool, entry=entry.id)).state == "succeeded"
    image = Image.objects.get()
    assert (image.name, image.os, image.arch, image.version) == ("Debian 13 (trixie)", "debian13", "x86_64", "13")


def test_one_that_is_cancelled_leaves_nothing(
    stage: Stage, pool: StoragePool, server: WebServer, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "LOOK", 0.0)
    operation = fetch(stage, pool, server)

    def cancel(first: bytes, size: int) -> str:
        Operation.objects.filter(pk=operation.pk).update(state="cancelling", cancel_requested=True)
        return "raw"

    monkeypatch.setattr(ways, "judged", cancel)
    assert done(operation).state == "cancelled"
    nothing_left(stage)


def test_what_a_dead_worker_left_is_taken_away(
    stage: Stage, pool: StoragePool, server: WebServer, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*args: Any, **kwargs: Any) -> None:
        raise HostUnreachable("it broke")

    monkeypatch.setattr(ways, "keep", breaks)
    operation = done(fetch(stage, pool, server))
    assert (operation.state, operation.error_code) == ("failed", "host_unreachable")
    nothing_left(stage)


def test_a_host_that_says_no_leaves_nothing(
    stage: Stage, pool: StoragePool, server: WebServer, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise HostRefused("No space left on device")

    monkeypatch.setattr(ways, "keep", full)
    assert done(fetch(stage, pool, server)).error_code == "host_refused"
    nothing_left(stage)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"url": "ftp://x/y"}, "url"), ({"url": ""}, "url"), ({"url": "http://u:p@x/y"}, "url"),
        ({"url": "http://x.org/y", "checksum": "md5:1"}, "checksum"), ({"entry": "nothing"}, "entry"),
        ({"url": "http://x.org/"}, "name"), ({"url": "http://x.org/y", "name": "../y"}, "name"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(fields: dict[str, str], wrong: str, stage: Stage, pool: StoragePool) -> None:
    with pytest.raises(BadFields) as caught:
        images.fetch(stage.actor, pool, **fields)
    assert set(caught.value.errors) == {wrong}
    assert not Operation.objects.exists()


def test_who_may_not_is_refused(stage: Stage, pool: StoragePool, mallory: User) -> None:
    with pytest.raises(NotAllowed):
        images.fetch(Actor(mallory), pool, url="http://x.org/y.img")


@pytest.fixture
def other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> tuple[FakeHost, StoragePool]:
    """A second host with a pool of its own; connections go to where their spec says."""
    host = Host.objects.create(name="host-b", node=stage.host.node, transport="unix", socket="/run/b.sock")
    far = StoragePool.objects.create(host=host, uuid=uuid.UUID(int=8), name="far", type="dir", path="/far", active=True)
    fake = FakeHost()

    @contextmanager
    def connect(spec: Any, **options: object) -> Iterator[Any]:
        yield (fake if spec.socket == "/run/b.sock" else stage.fake).open(spec)

    monkeypatch.setattr(ways, "connect", connect)
    return fake, far


def put(stage: Stage, fake: FakeHost, pool: StoragePool, data: bytes, **image: Any) -> Image:
    """An image with one copy, in that pool."""
    fake.volumes[str(pool.uuid), "a.img"] = data
    volume = Volume.objects.create(
        storage=pool.storage, name="a.img", format="raw", capacity_bytes=len(data), owner=stage.actor.user
    )
    made = Image.objects.create(name="A", kind="disk", format="raw", size_bytes=len(data), **image)
    ImageCopy.objects.create(image=made, volume=volume)
    return made


def test_an_image_is_copied_from_another_host(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool], done: Done
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256=SHA)
    assert images.here(stage.actor, image, pool) is None
    operation = done(images.copy(stage.actor, image, pool))
    assert operation.state == "succeeded", (operation.error_code, operation.details)
    assert bytes_of(stage, "a.img") == DISK
    assert {copy.image for copy in ImageCopy.objects.all()} == {image}
    there = images.here(stage.actor, image, pool)
    assert there is not None and there.volume.sha256 == SHA


def test_a_copy_that_is_another_by_now_is_not_kept(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool], done: Done
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256="0" * 64)
    operation = done(images.copy(stage.actor, image, pool))
    assert (operation.state, operation.error_code) == ("failed", "checksum_differs")
    assert stage.fake.volumes == {} and Volume.objects.count() == 1


def test_who_lost_the_right_to_the_image_gets_no_copy(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool], done: Done
) -> None:
    fake, far = other
    operation = images.copy(stage.actor, put(stage, fake, far, DISK), pool)
    Volume.objects.update(state=Volume.State.REFUSED)
    assert done(operation).error_params == {"reason": "gone"}
    assert stage.fake.volumes == {}


def test_a_copy_of_what_nobody_has_read_is_of_the_same_image(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool], done: Done
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK)
    assert done(images.copy(stage.actor, image, pool)).state == "succeeded"
    image.refresh_from_db()
    assert (Image.objects.get(), image.sha256, image.copies.count()) == (image, SHA, 2)


def on_the_way(stage: Stage, pool: StoragePool, name: str = "vm.img") -> Work:
    """An operation on the pool's host that needs an image first, and has a disk of 1 MiB reserved."""
    operation = volumes.create(stage.actor, pool, name=name, size_bytes=MIB, format="raw")
    Operation.objects.filter(pk=operation.pk).update(state="running")
    connection: Any = stage.fake.open(HostSpec(**stage.host.spec_fields()))
    return Work(operation, connection, lambda: None, beside=lambda: connection, heard=lambda: None)


def reserved(work: Work) -> int:
    return sum(Reservation.objects.filter(operation=work.operation).values_list("amount", flat=True))


def test_a_copy_that_is_on_the_host_is_taken(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool]
) -> None:
    image = put(stage, stage.fake, pool, DISK, sha256=SHA)
    second = StoragePool.objects.create(
        host=stage.host, uuid=uuid.UUID(int=9), name="second", type="dir", path="/second", active=True
    )  # fmt: skip
    work = on_the_way(stage, second)
    found, where = ways.place(work, image.pk, second)
    assert (found, where) == (ImageCopy.objects.get(), pool)
    assert stage.fake.calls == [] and reserved(work) == MIB
    # One that its disk cannot lie over is none.
    found, where = ways.place(work, image.pk, second, fits=lambda pool: pool == second)
    assert (found.volume.name, where, found.image) == ("a.img", second, image)
    assert ways.place(work, image.pk, second)[1] == second


def test_an_image_is_brought_to_the_host_that_needs_it(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool]
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256=SHA)
    Quota.objects.create(user=stage.actor.user, disk_bytes=2 * len(DISK) + MIB)
    stage.fake.volumes[str(pool.uuid), "a.img"] = b"another's"
    work = on_the_way(stage, pool)
    found, where = ways.place(work, image.pk, pool)
    # A file that the pool has not told of yet has its name.
    assert (found.volume.name, where, found.image, found.published) == ("a-2.img", pool, image, False)
    assert bytes_of(stage, "a-2.img") == DISK and bytes_of(stage, "a.img") == b"another's"
    assert (found.volume.state, found.volume.owner, found.volume.sha256) == ("ready", stage.actor.user, SHA)
    assert reserved(work) == MIB and not OperationLock.objects.filter(key__startswith="image:").exists()
    # What came whole stays, whatever becomes of the operation.
    ways.unplace(work.connection, work.operation)
    Quota.objects.all().delete()
    assert ways.place(on_the_way(stage, pool, "b.img"), image.pk, pool) == (found, pool)


def test_an_image_whose_hosts_are_silent_is_fetched_again(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool], server: WebServer
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256=SHA, source_url=server.url("/debian-13-amd64.img"))
    Host.objects.filter(pk=far.host_id).update(error_code="host_unreachable")
    found, _ = ways.place(on_the_way(stage, pool), image.pk, pool)
    assert (found.image, bytes_of(stage, "a.img")) == (image, DISK)
    # Without a checksum nobody could tell that it still is the same.
    Volume.objects.filter(name="a.img", storage=pool.storage).delete()
    stage.fake.volumes.clear()
    Image.objects.update(sha256=None)
    with pytest.raises(ImageRefused) as caught:
        ways.place(on_the_way(stage, pool, "b.img"), image.pk, pool)
    assert caught.value.params == {"reason": "gone"} and stage.fake.volumes == {}


def test_what_is_another_where_it_is_fetched_again_is_not_kept(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool], server: WebServer
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256="0" * 64, source_url=server.url("/debian-13-amd64.img"))
    Host.objects.filter(pk=far.host_id).update(error_code="host_unreachable")
    work = on_the_way(stage, pool)
    with pytest.raises(ChecksumDiffers):
        ways.place(work, image.pk, pool)
    assert stage.fake.volumes == {} and Volume.objects.count() == 1
    assert not OperationLock.objects.filter(key__startswith="image:").exists()


def test_its_row_stays_until_the_watcher_has_seen_that_it_is_gone(
    stage: Stage, pool: StoragePool, server: WebServer, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that had seen it would else make a row of what it found."""
    looks: list[tuple[str, bool, bool]] = []

    def look(host: int, name: str) -> bool:
        looks.append((name, Volume.objects.filter(state="incomplete").exists(), bool(stage.fake.volumes)))
        return True

    monkeypatch.setattr(live, "look", look)
    assert done(fetch(stage, pool, server, checksum="0" * 64)).state == "failed"
    assert (f"pool:{pool.pk}", True, False) in looks
    nothing_left(stage)


def test_what_a_dead_worker_was_bringing_is_taken_away_and_nothing_else(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256=SHA)

    def breaks(*args: Any, **kwargs: Any) -> None:
        raise HostUnreachable("it broke")

    monkeypatch.setattr(ways, "keep", breaks)
    work = on_the_way(stage, pool)
    mine = Volume.objects.create(storage=pool.storage, name="up.img", state="incomplete", owner=stage.actor.user)
    stage.fake.volumes[str(pool.uuid), "up.img"] = b"an upload"
    with pytest.raises(HostUnreachable):
        ways.place(work, image.pk, pool)
    assert bytes_of(stage, "a.img") is not None
    for _ in range(2):
        ways.unplace(work.connection, work.operation)
    assert set(stage.fake.volumes) == {(str(pool.uuid), "up.img")}
    assert {row.pk for row in Volume.objects.filter(storage=pool.storage)} == {mine.pk}


def test_two_that_need_the_same_bring_it_once(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256=SHA)
    first, second = on_the_way(stage, pool), on_the_way(stage, pool, "b.img")
    lock = OperationLock.objects.create(key=f"image:{image.pk}:{pool.storage_id}", operation=first.operation)

    def first_ends(seconds: float) -> None:
        lock.delete()
        ways.place(first, image.pk, pool)

    monkeypatch.setattr("vms.operations.images.time.sleep", first_ends)
    found, _ = ways.place(second, image.pk, pool)
    assert stage.fake.calls.count("upload a.img") == 1 and found.volume.name == "a.img"
    assert [line.code for line in second.operation.log.all()] == ["image_awaited"]


def test_who_waits_for_another_can_be_cancelled(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool]
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256=SHA)
    first, second = on_the_way(stage, pool), on_the_way(stage, pool, "b.img")
    OperationLock.objects.create(key=f"image:{image.pk}:{pool.storage_id}", operation=first.operation)
    Operation.objects.filter(pk=second.operation.pk).update(state="cancelling")
    with pytest.raises(Aborted):
        ways.place(second, image.pk, pool)
    assert stage.fake.volumes == {}


def test_over_the_quota_nothing_is_brought(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool]
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256=SHA)
    Quota.objects.create(user=stage.actor.user, disk_bytes=2 * len(DISK) + MIB - 1)
    work = on_the_way(stage, pool)
    with pytest.raises(OverQuota):
        ways.place(work, image.pk, pool)
    assert stage.fake.volumes == {} and reserved(work) == MIB


def test_who_may_not_is_brought_nothing(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool], mallory: User
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256=SHA)
    work = on_the_way(stage, pool)
    work.operation.actor_user = mallory
    with pytest.raises(NotAllowed):
        ways.place(work, image.pk, pool)
    grant(mallory, "creator", pool)
    with pytest.raises(ImageRefused):
        ways.place(work, image.pk, pool)
    ImageCopy.objects.update(published=True)
    grant(mallory, "creator", far)
    found, _ = ways.place(work, image.pk, pool)
    assert (found.volume.owner, bytes_of(stage, "a.img")) == (mallory, DISK)


def test_a_pool_of_raw_disks_gets_no_other(
    stage: Stage, pool: StoragePool, other: tuple[FakeHost, StoragePool]
) -> None:
    fake, far = other
    image = put(stage, fake, far, DISK, sha256=SHA)
    Volume.objects.update(format="qcow2")
    StoragePool.objects.filter(pk=pool.pk).update(type="logical")
    pool.refresh_from_db()
    with pytest.raises(ImageRefused) as caught:
        ways.place(on_the_way(stage, pool), image.pk, pool)
    assert caught.value.params == {"reason": "format"}


def test_reading_a_volume_makes_it_an_image_and_two_of_the_same_bytes_are_one(
    stage: Stage, pool: StoragePool, done: Done
) -> None:
    image = put(stage, stage.fake, pool, DISK)
    row = Volume.objects.get()
    assert done(images.check(stage.actor, row)).state == "succeeded"
    image.refresh_from_db()
    row.refresh_from_db()
    assert (image.sha256, row.sha256) == (SHA, SHA)
    stage.fake.volumes[str(pool.uuid), "b.img"] = DISK
    second = Volume.objects.create(
        storage=pool.storage, name="b.img", format="raw", capacity_bytes=len(DISK), owner=stage.actor.user
    )
    assert done(images.check(stage.actor, second)).state == "succeeded"
    assert Image.objects.get() == image and image.copies.count() == 2


def test_an_iso_in_a_pool_appears_by_itself_and_is_offered_by_somebodys_word(
    stage: Stage, pool: StoragePool, mallory: User
) -> None:
    first = iso("Debian 13.1.0 amd64 n").ljust(MIB, b"\0")
    row = Volume.objects.create(storage=pool.storage, name="debian.iso", state="quarantine", capacity_bytes=MIB)
    inventory.judged(row, first, MIB)
    inventory.judged(row, first, MIB)
    image = Image.objects.get()
    assert (image.kind, image.os, image.arch, image.sha256) == ("iso", "debian13", "x86_64", None)
    row.refresh_from_db()
    assert (row.state, row.format) == ("ready", "raw")
    assert list(visible_images(stage.actor)) == [image]
    assert not visible_images(mallory).exists()


def test_an_image_that_may_be_a_link_is_told_and_not_copied(stage: Stage, pool: StoragePool, done: Done) -> None:
    image = put(stage, stage.fake, pool, DISK, virtual_bytes=len(DISK))
    operation = images.copy(stage.actor, image, pool, name="b.img")
    Volume.objects.update(origin="found")
    assert (done(operation).state, operation.error_code) == ("failed", "image_refused")
    assert list(visible_images(stage.actor)) == [image] and images.here(stage.actor, image, pool) is None
    with pytest.raises(VolumeFound):
        images.copy(stage.actor, image, pool, name="c.img")


def test_a_cloud_image_in_a_pool_appears_by_itself_until_a_vm_has_it(
    stage: Stage, pool: StoragePool, tmp_path: Any
) -> None:
    disk = made(tmp_path, "qcow2")
    names = ("debian-13-genericcloud-amd64.qcow2", "debian-13.qcow2", "noble-server-cloudimg-amd64.img")
    rows = [
        Volume.objects.create(storage=pool.storage, name=name, state="quarantine", path=f"/pool/{name}")
        for name in names
    ]  # fmt: skip
    rows[2].vms.add(stage.vm)
    for row in rows:
        inventory.judged(row, disk, len(disk))
    image = Image.objects.get()
    assert (image.kind, image.os, image.arch, image.format) == ("disk", "debian13", "x86_64", "qcow2")
    assert image.virtual_bytes == 64 * MIB and image.copies.get().volume == rows[0]
    above = Volume.objects.create(
        storage=pool.storage, name="web.qcow2", path="/pool/web.qcow2", format="qcow2", backing=rows[0]
    )
    document = Document.objects.get(placement=stage.vm.placement)
    document.sources = [["path", "/pool/web.qcow2", "qcow2"]]
    document.save()
    inventory.link([stage.vm.pk])
    assert image.copies.exists() and set(stage.vm.volumes.all()) == {rows[0], above}
    document.sources = [["path", "/pool/web.qcow2", "qcow2"], ["path", f"/pool/{names[0]}", "qcow2"]]
    document.save()
    inventory.link([stage.vm.pk])
    assert image.copies.exists(), "while it runs, what lies below is named too"
    document.sources = [["path", f"/pool/{names[0]}", "qcow2"]]
    document.save()
    inventory.link([stage.vm.pk])
    assert not Image.objects.exists()


def test_over_a_quota_nothing_is_asked_for_twice(stage: Stage, pool: StoragePool) -> None:
    image = put(stage, stage.fake, pool, DISK, virtual_bytes=len(DISK))
    Quota.objects.create(user=stage.actor.user, disk_bytes=len(DISK) + 1)
    with pytest.raises(OverQuota):
        images.copy(stage.actor, image, pool, name="b.img")
