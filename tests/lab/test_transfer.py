"""Uploads and downloads through the front and the transfer process, on a real host."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.headers.images import hostile, made
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.sending import MIB, Sending, pool_of, upload
from tests.lab.stack import Answer, Dashboard

# Two pieces and a little.
SIZE = 33 * MIB + 333


@pytest.fixture(scope="module")
def lab_pool(lab_host: LabHost) -> Iterator[LabPool]:
    with folder_pool(lab_host) as made:
        yield made


@pytest.fixture
def pool(dashboard: Dashboard, lab_pool: LabPool) -> int:
    # Another test may have killed it a moment ago.
    eventually(
        lambda: dashboard.request("OPTIONS", "/transfer/uploads/1").status == 204, "the transfer process is there"
    )
    return pool_of(dashboard, lab_pool)


def volume_of(dashboard: Dashboard, name: str) -> tuple[int, str]:
    """(id, state) of its row, (0, "") where there is none."""
    found = dashboard.query("SELECT id, state FROM vms_volume WHERE name = ? AND present", name)
    return (int(found[0][0]), str(found[0][1])) if found else (0, "")


def left(dashboard: Dashboard, lab_pool: LabPool, name: str) -> bool:
    """Whether anything of it is there."""
    open_with_it = (
        "SELECT 1 FROM vms_reservation r JOIN vms_operation o ON o.id = r.operation_id "
        "WHERE o.state IN ('queued', 'running', 'cancelling') AND o.params LIKE ?"
    )
    there = volume_of(dashboard, name) != (0, "") or name in lab_pool.names()
    return there or bool(dashboard.query(open_with_it, f"%{name}%"))


def fetch(dashboard: Dashboard, path: str, method: str = "GET", **headers: str) -> tuple[Answer, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=30)
    sent = {"Authorization": f"Bearer {dashboard.token}", **headers}
    connection.request(method, path, headers={name: value for name, value in sent.items() if value})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return Answer(answer.status, dict(answer.getheaders()), ""), body


def test_a_file_goes_in_in_parts_past_a_killed_process_and_comes_out_again(
    dashboard: Dashboard, pool: int, lab_pool: LabPool
) -> None:
    data = os.urandom(SIZE)
    sending = upload(dashboard, pool, "parts.img", SIZE)
    assert sending.offset() == 0
    first = sending.patch(0, data[: 5 * MIB])
    assert (first.status, first.headers["upload-offset"]) == (204, str(5 * MIB))
    assert volume_of(dashboard, "parts.img")[1] == "incomplete"
    # A sender that goes in the middle: what had come counts, although its body ends short of what it said.
    with socket.create_connection(("127.0.0.1", dashboard.port)) as gone:
        head = (
            f"PATCH {sending.url} HTTP/1.1\r\nHost: 127.0.0.1:{dashboard.port}\r\nTus-Resumable: 1.0.0\r\n"
            f"Authorization: Bearer {dashboard.token}\r\nUpload-Offset: {5 * MIB}\r\n"
            f"Content-Type: application/offset+octet-stream\r\nContent-Length: {SIZE - 5 * MIB}\r\n\r\n"
        )
        gone.sendall(head.encode() + data[5 * MIB : 12 * MIB])
    noted = "SELECT offset_bytes FROM vms_upload WHERE operation_id = ? AND offset_bytes > ?"
    eventually(lambda: dashboard.query(noted, sending.operation, 5 * MIB), "what came from who has gone counts")
    came = sending.offset()
    assert 5 * MIB < came <= 12 * MIB
    killed = dashboard.pid("transfer")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: dashboard.pids("transfer") not in ([], [killed]), "another one")
    eventually(lambda: sending.ask("HEAD").status == 200, "which answers", within=60)
    assert sending.offset() == came
    last = sending.patch(came, data[came:])
    assert (last.status, last.headers["upload-offset"]) == (204, str(SIZE)), last
    sending.ended("succeeded")
    pk, state = volume_of(dashboard, "parts.img")
    [(told,)] = dashboard.query("SELECT sha256 FROM vms_volume WHERE id = ?", pk)
    assert (state, told) == ("ready", hashlib.sha256(data).hexdigest())
    assert (lab_pool.folder / "parts.img").read_bytes() == data

    led, _ = fetch(dashboard, f"/api/v1/volumes/{pk}/download")
    assert (led.status, led.headers["location"]) == (307, f"/transfer/volumes/{pk}")
    answer, body = fetch(dashboard, f"/transfer/volumes/{pk}")
    assert (answer.status, body == data) == (200, True)
    assert answer.headers["content-disposition"] == "attachment; filename=\"parts.img\"; filename*=UTF-8''parts.img"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    answer, body = fetch(dashboard, f"/transfer/volumes/{pk}", Range=f"bytes={20 * MIB}-{20 * MIB + 9}")
    assert (answer.status, body) == (206, data[20 * MIB : 20 * MIB + 10])
    assert answer.headers["content-range"] == f"bytes {20 * MIB}-{20 * MIB + 9}/{SIZE}"
    assert fetch(dashboard, f"/transfer/volumes/{pk}", Range=f"bytes={SIZE}-")[0].status == 416
    assert fetch(dashboard, f"/transfer/volumes/{pk}", Authorization="")[0].status == 401
    # What it has become by now is asked of its bytes.
    with (lab_pool.folder / "parts.img").open("r+b") as file:
        file.write(b"QFI\xfb\0\0\0\3")
    answer, body = fetch(dashboard, f"/transfer/volumes/{pk}")
    assert answer.status == 422 and b"refused_image" in body


def test_cancelling_leaves_nothing(dashboard: Dashboard, pool: int, lab_pool: LabPool) -> None:
    sending = upload(dashboard, pool, "cancelled.img", 10 * MIB)
    assert left(dashboard, lab_pool, "cancelled.img")
    again = dashboard.post(f"/pools/{pool}/uploads", {"name": "cancelled.img", "size_bytes": 1})
    assert (again.status, again.body["code"]) == (409, "locked")
    assert sending.patch(0, os.urandom(6 * MIB)).status == 204
    assert "cancelled.img" in lab_pool.names()
    assert sending.ask("DELETE").status == 204
    sending.ended("cancelled")
    assert not left(dashboard, lab_pool, "cancelled.img")
    assert sending.ask("HEAD").status == 410 and sending.patch(6 * MIB, b"x").status == 410


def test_what_a_client_says_wrongly_changes_nothing(dashboard: Dashboard, pool: int, lab_pool: LabPool) -> None:
    sending = upload(dashboard, pool, "wrong.img", 5 * MIB)
    data = os.urandom(5 * MIB)
    patch = sending.patch
    refused: list[tuple[Callable[[], Answer], int]] = [
        (lambda: patch(1, data), 409), (lambda: patch(0, data + b"x"), 413),
        (lambda: patch(0, iter([data, b"x"])), 413), (lambda: patch(0, b"short"), 400),
        (lambda: patch(0, data, Tus_Resumable="0.2.2"), 412),
        (lambda: patch(0, data, Upload_Defer_Length="1"), 400), (lambda: patch(0, data, Content_Type="text/html"), 400),
        (lambda: patch(0, data, Upload_Checksum="sha256 AAAA"), 460), (lambda: sending.ask("POST"), 405),
        (lambda: sending.ask("HEAD", Authorization=""), 401),
        (lambda: sending.ask("HEAD", Authorization="Bearer x"), 401),
    ]  # fmt: skip
    assert [ask().status for ask, _ in refused] == [status for _, status in refused]
    other = Sending(dashboard, sending.url[:-1] + ("a" if sending.url[-1] != "a" else "b"), sending.operation)
    assert other.ask("HEAD").status == 404
    assert sending.offset() == 0
    for wish in (
        {"size_bytes": 0}, {"size_bytes": -1}, {"size_bytes": 2**63}, {"name": "../x"}, {"name": "a/b"}, {"name": ""},
        {"name": "-x"}, {"name": ".x"}, {"name": "x\n"}, {"format": "qed"}, {"size_bytes": 2**62},
    ):  # fmt: skip
        answer = dashboard.post(f"/pools/{pool}/uploads", {"name": "fine.img", "size_bytes": MIB, **wish})
        assert answer.status == 422, (wish, answer)
    assert sending.patch(0, data).status == 204
    sending.ended("succeeded")
    taken = dashboard.post(f"/pools/{pool}/uploads", {"name": "wrong.img", "size_bytes": 1})
    assert taken.status == 422 and taken.body["errors"][0]["code"] == "volume_taken"


def test_an_image_that_names_other_files_never_reaches_the_pool(
    dashboard: Dashboard, pool: int, lab_pool: LabPool, tmp_path: Path
) -> None:
    bad = hostile(made(tmp_path, "qcow2", size=MIB), "/etc/shadow")
    tries = [("raw", image) for image in bad.values()]
    tries += [("qcow2", bad[name]) for name in ("backing", "data")] + [("qcow2", bytes(64))]
    for format, first in tries:
        sending = upload(dashboard, pool, "hostile.img", MIB, format)
        answer = sending.patch(0, first.ljust(MIB, b"\0"))
        assert (answer.status, "refused_image" in answer.body) == (422, True), answer
        assert sending.ended("failed")["error"]["code"] == "refused_image"
        assert not left(dashboard, lab_pool, "hostile.img")


def test_what_is_in_the_pool_already_stays_as_it_is(dashboard: Dashboard, pool: int, lab_pool: LabPool) -> None:
    sending = upload(dashboard, pool, "outsider.img", MIB)
    (lab_pool.folder / "outsider.img").write_bytes(b"mine")
    assert sending.patch(0, bytes(MIB)).status == 409
    assert sending.ended("failed")["error"]["code"] == "name_taken"
    assert (lab_pool.folder / "outsider.img").read_bytes() == b"mine"


def test_a_full_disk_ends_it_and_leaves_nothing(dashboard: Dashboard, lab_host: LabHost) -> None:
    with folder_pool(lab_host, disk="24m") as small:
        pool = pool_of(dashboard, small)
        sending = upload(dashboard, pool, "large.img", 20 * MIB)
        assert sending.patch(0, os.urandom(16 * MIB)).status == 204
        lab_host.run("dd", "if=/dev/zero", f"of={small.path}/ballast", "bs=1M", "count=7")
        assert sending.patch(16 * MIB, os.urandom(4 * MIB)).status == 409
        assert sending.ended("failed")["error"]["code"] == "host_refused"
        assert not left(dashboard, small, "large.img")


def test_a_pool_that_vanishes_ends_it(dashboard: Dashboard, lab_host: LabHost) -> None:
    with folder_pool(lab_host) as gone:
        pool = pool_of(dashboard, gone)
        sending = upload(dashboard, pool, "lost.img", 8 * MIB)
        assert sending.patch(0, os.urandom(5 * MIB)).status == 204
        lab_host.virsh("pool-destroy", gone.name)
        lab_host.virsh("pool-undefine", gone.name)
        assert sending.patch(5 * MIB, os.urandom(3 * MIB)).status in (404, 409)
        assert sending.ended("failed")["error"]["code"] == "not_found"
