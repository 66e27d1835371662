"""Uploads and downloads of one transfer process, whose host exists in this one: who may, what is wrong, what ends."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connections
from django.utils import timezone

from tests.conftest import sign_in
from tests.fakehost import FakeConnection, FakeHost
from tests.gateways.conftest import eventually
from tests.grants import grant
from tests.headers.images import made as image
from vms.errors import HostRefused, HostUnreachable, Locked, OverQuota
from vms.gateways import downloads as download_ways
from vms.gateways import transfers, tus
from vms.gateways.transfer import Application
from vms.kinds.uploads import UPLOAD
from vms.models import ApiToken, Grant, Host, Operation, Quota, Reservation, StoragePool, Upload, User, Volume, Worker
from vms.operations import uploads as work
from vms.permissions import Actor
from vms.services import operations, quotas, tokens, uploads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]
T = TypeVar("T")
MIB = 1 << 20
# As much as is judged; in these tests the host is given so much at once.
PIECE = 4 * MIB
CSRF = "c" * 32
HERE = "localhost:8000"
Message = dict[str, Any]


class Transfers(transfers.Transfers):
    """No thread keeps a connection to the database."""

    def run(self, call: Callable[..., T], *args: Any) -> T:
        try:
            return call(*args)
        finally:
            connections.close_all()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"]) if self.body else ""


@dataclass
class Stage:
    """The process's requests, its fake host, and who asks."""

    fake: FakeHost
    pool: StoragePool
    transfers: Transfers
    app: Application
    actor: Actor

    def begin(self, name: str = "new.img", size: int = 3 * PIECE, format: str = "raw") -> str:
        """The address of a new upload."""
        return uploads.ask(self.actor, self.pool, name=name, size_bytes=size, format=format)[1]

    def ask(self, method: str, url: str, *body: Message | Callable[[], None], **headers: str | None) -> Answer:
        """One request of the browser; headers replace its own, None takes one away, names have _ for -. Of the body
        what can be called is called, between the bytes before and after it."""
        said: dict[str, str | None] = {
            "host": HERE, "origin": f"http://{HERE}", "x-csrftoken": CSRF, "tus-resumable": "1.0.0",
            "cookie": f"{settings.SESSION_COOKIE_NAME}={self.actor.session_key}; {settings.CSRF_COOKIE_NAME}={CSRF}",
        }  # fmt: skip
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        parts = urlsplit(url)
        scope = {
            "type": "http", "method": method, "path": parts.path, "query_string": parts.query.encode(),
            "scheme": "http", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in said.items() if value is not None],
        }  # fmt: skip
        return asyncio.run(self.answer(scope, list(body)))

    async def answer(self, scope: dict[str, Any], coming: list[Message | Callable[[], None]]) -> Answer:
        sent: list[Message] = []

        async def receive() -> Message:
            while coming:
                next_one = coming.pop(0)
                if isinstance(next_one, dict):
                    return next_one
                await asyncio.to_thread(self.transfers.run, next_one)
                # What was woken by it has its turn.
                await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start, *rest = sent
        told = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], told, b"".join(message["body"] for message in rest))

    def patch(self, url: str, offset: int, *body: Message | Callable[[], None], **headers: str | None) -> Answer:
        said = {"upload_offset": str(offset), "content_type": tus.BODY, "transfer_encoding": "chunked", **headers}
        return self.ask("PATCH", url, *body, **said)

    def offset(self, url: str) -> int:
        return int(self.ask("HEAD", url).headers["upload-offset"])

    def until(self, offset: int) -> Callable[[], None]:
        """What waits, as a part of a body, until so much of the newest upload is written."""
        return lambda: eventually(lambda: Upload.objects.latest("pk").offset_bytes >= offset)

    def operation(self) -> Operation:
        """The newest."""
        return Operation.objects.latest("pk")

    def bytes_of(self, name: str = "new.img") -> bytes | None:
        return self.fake.volumes.get((str(self.pool.uuid), name))

    def turn(self) -> None:
        """Its clock strikes."""
        self.transfers.asked_at = self.transfers.tidied_at = -1000.0
        self.transfers.turn()

    def ends(self, state: str, error: str = "") -> None:
        """That becomes of the newest operation, and where it did not succeed nothing is left of it."""

        def so() -> bool:
            self.turn()
            return self.operation().state == state

        eventually(so, what=lambda: f"{self.operation().state} {self.operation().error_code}")
        assert self.operation().error_code == error
        if state != "succeeded":
            assert self.bytes_of() is None
            assert not Volume.objects.exists() and not Upload.objects.filter(volume__isnull=False).exists()
            assert self.charged() == 0

    def charged(self) -> int:
        return quotas.used(self.actor.user)["disk_bytes"]


def more(data: bytes) -> Message:
    return {"type": "http.request", "body": data, "more_body": True}


def last(data: bytes = b"") -> Message:
    return {"type": "http.request", "body": data, "more_body": False}


GONE: Message = {"type": "http.disconnect"}


@pytest.fixture
def stage(transactional_db: None, host: Host, mallory: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """mallory may upload into the pool, by one grant, and has a browser."""
    fake = FakeHost()
    pool = StoragePool.objects.create(
        host=host, uuid=uuid.uuid4(), name="default", type="dir", path="/pool", active=True
    )
    grant(mallory, "editor", pool)

    for module in (work, download_ways):
        monkeypatch.setattr(module, "open_connection", fake.open)
    monkeypatch.setattr(work, "PIECE", PIECE)
    monkeypatch.setattr(work, "LEAST", 0.0)
    made = Transfers("test-transfer")
    made.node = host.node
    browser = sign_in(mallory)
    yield Stage(fake, pool, made, Application(made), Actor(mallory, browser.session.session_key or ""))
    made.threads.shutdown()


def test_a_file_comes_in_parts_and_is_read_back(stage: Stage) -> None:
    data = os.urandom(3 * PIECE - 5)
    url = stage.begin(size=len(data))
    assert stage.charged() == len(data) and not stage.fake.calls
    answer = stage.patch(url, 0, more(data[:MIB]), more(data[MIB:PIECE]), last(data[PIECE : PIECE + 5]))
    assert (answer.status, answer.headers["upload-offset"]) == (204, str(PIECE + 5))
    assert stage.offset(url) == PIECE + 5 and stage.charged() == len(data)
    assert stage.patch(url, PIECE + 5, last(data[PIECE + 5 :])).status == 204
    stage.ends("succeeded")
    assert stage.bytes_of() == data
    assert Volume.objects.get().state == "ready" and stage.charged() == len(data)
    assert not Reservation.objects.exists()


STRANGE: list[tuple[dict[str, str | None], int]] = [
    ({"x_csrftoken": None}, 403), ({"x_csrftoken": "d" * 32}, 403), ({"cookie": None}, 401),
    ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403), ({"origin": "http://localhost:8001"}, 403),
    ({"host": "evil.example"}, 400), ({"host": "localhost:8000 "}, 400),
    ({"authorization": "Bearer kvmweb_x"}, 401), ({"authorization": "Basic eA=="}, 401),
    ({"tus_resumable": None}, 412), ({"tus_resumable": "0.2.2"}, 412),
]  # fmt: skip


def test_a_strangers_request_changes_nothing(stage: Stage) -> None:
    url = stage.begin()
    for headers, status in STRANGE:
        for method in ("PATCH", "DELETE"):
            answer = stage.ask(method, url, upload_offset="0", content_type=tus.BODY, **headers)
            assert answer.status == status, (method, headers)
    twice = [(b"host", HERE.encode()), (b"tus-resumable", b"1.0.0"), (b"host", b"evil.example")]
    parts = urlsplit(url)
    scope = {"type": "http", "method": "DELETE", "path": parts.path, "query_string": parts.query.encode()}
    assert asyncio.run(stage.answer({**scope, "headers": twice}, [])).status == 400
    assert stage.operation().state == "queued" and not stage.fake.calls
    assert stage.offset(url) == 0


def test_an_address_is_of_who_asked_for_it(stage: Stage, alice: User) -> None:
    url = stage.begin()
    mine = stage.actor
    for other in (alice, mine.user):
        stage.actor = Actor(other, sign_in(other).session.session_key or "")
        assert stage.ask("HEAD", url).status == 404 and stage.patch(url, 0, last(bytes(PIECE))).status == 404
    _, text = tokens.create(mine.user)
    assert stage.ask("HEAD", url, cookie=None, authorization=f"Bearer {text}").status == 404
    stage.actor = mine
    assert stage.ask("HEAD", url[:-1] + ("a" if url[-1] != "a" else "b")).status == 404
    assert stage.ask("HEAD", url.partition("?")[0]).status == 404
    assert stage.ask("HEAD", url).status == 200


def test_a_token_needs_no_csrf_and_ends_with_itself(stage: Stage) -> None:
    token, text = tokens.create(stage.actor.user)
    stage.actor = Actor(stage.actor.user, token=token)
    bare: dict[str, str | None] = {"cookie": None, "origin": None, "x_csrftoken": None}
    good = {**bare, "authorization": f"Bearer {text}"}
    url = stage.begin()
    assert stage.patch(url, 0, last(bytes(PIECE)), **good).status == 204

    def revoke() -> None:
        ApiToken.objects.update(revoked_at=timezone.now())
        stage.turn()

    answer = stage.patch(url, PIECE, more(bytes(PIECE)), revoke, more(bytes(PIECE)), **good)
    assert (answer.status, answer.code) == (403, "not_allowed")
    assert stage.ask("HEAD", url, **good).status == 401


def taken(what: str) -> None:
    if what == "grant":
        Grant.objects.all().delete()
    elif what == "account":
        User.objects.filter(username="mallory").update(is_active=False)
    else:
        Session.objects.all().delete()


@pytest.mark.parametrize("what", ["grant", "session", "account"])
def test_who_may_no_longer_is_stopped_in_the_middle(stage: Stage, what: str) -> None:
    """By the clock, also where nothing more comes."""
    url = stage.begin()
    answer = stage.patch(url, 0, more(bytes(PIECE)), stage.until(PIECE), lambda: taken(what), stage.turn, more(b""))
    assert (answer.status, answer.code) == (403, "not_allowed")
    assert Upload.objects.get().offset_bytes == PIECE
    assert stage.fake.calls.count("upload new.img") == 1


def test_nothing_counts_of_what_came_after_a_piece_that_was_not_written(stage: Stage) -> None:
    """The host had begun with the next one when it said so."""
    url = stage.begin()
    stage.fake.fail["finish"] = HostUnreachable("gone")
    worker = stage.transfers.worker
    with pytest.raises(HostUnreachable):
        work.Writer(work.take(Upload.objects.get(), worker), worker).write([bytes(PIECE), bytes(PIECE)])
    assert stage.fake.calls.count("upload new.img") == 2 and Upload.objects.get().offset_bytes == 0
    del stage.fake.fail["finish"]
    assert stage.patch(url, 0, last(os.urandom(3 * PIECE))).status == 204
    stage.ends("succeeded")


@pytest.mark.parametrize("begun", [True, False])
def test_what_nobody_sends_any_more_gives_its_room_back(stage: Stage, begun: bool) -> None:
    url = stage.begin()
    if begun:
        stage.patch(url, 0, last(bytes(PIECE)))
    stage.turn()
    assert stage.operation().state == ("running" if begun else "queued")
    assert Upload.objects.get().expires_at > timezone.now() + timedelta(hours=23)
    Upload.objects.update(expires_at=timezone.now())
    stage.ends("failed", "upload_expired")
    assert stage.ask("HEAD", url).status == 410


def test_cancelled_in_the_middle(stage: Stage) -> None:
    url = stage.begin()

    def cancel() -> None:
        operations.cancel(stage.operation(), actor=stage.actor)
        stage.turn()

    answer = stage.patch(url, 0, more(bytes(PIECE)), stage.until(PIECE), cancel, more(bytes(PIECE)), more(bytes(PIECE)))
    assert (answer.status, answer.code) == (410, "upload_over")
    stage.ends("cancelled")
    assert stage.patch(url, PIECE, last(b"x")).status == 410


def test_a_full_disk_ends_it(stage: Stage) -> None:
    url = stage.begin()
    assert stage.patch(url, 0, last(bytes(PIECE))).status == 204
    stage.fake.fail["send"] = HostRefused("cannot write: No space left on device")
    answer = stage.patch(url, PIECE, last(bytes(PIECE)))
    assert (answer.status, answer.code) == (409, "host_refused")
    stage.ends("failed", "host_refused")


def test_a_host_that_goes_decides_nothing(stage: Stage) -> None:
    url = stage.begin()
    assert stage.patch(url, 0, last(bytes(PIECE))).status == 204
    stage.fake.gone = True
    answer = stage.patch(url, PIECE, last(bytes(PIECE)))
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    stage.turn()
    assert stage.operation().state == "running" and stage.charged() == 3 * PIECE
    stage.fake.gone = False
    assert stage.patch(url, PIECE, last(bytes(2 * PIECE))).status == 204
    stage.ends("succeeded")


def test_a_sender_may_be_slow_where_a_host_may_not(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "UPLOAD", replace(UPLOAD, silence_seconds=0))
    cut: list[bool] = []
    monkeypatch.setattr(FakeConnection, "cut", lambda _: cut.append(True))
    url = stage.begin()

    def waits_for_the_sender() -> None:
        [way] = stage.transfers.ways.values()
        assert isinstance(way.carrier, work.Writer)
        writer = way.carrier
        eventually(lambda: stage.fake.calls.count("upload new.img") == 2 and writer.since == work.NOBODY)

    answer = stage.patch(
        url, 0, more(bytes(PIECE)), more(b"12345"), more(bytes(1 << 20)), waits_for_the_sender, stage.turn, last(b"x")
    )
    assert answer.status == 204
    assert stage.offset(url) == PIECE + MIB + 6 and not cut
    stage.fake.after["send"] = stage.turn
    assert stage.patch(url, PIECE + MIB + 6, last(b"x")).status == 204
    assert cut


def test_one_name_has_one_upload(stage: Stage) -> None:
    url = stage.begin()
    with pytest.raises(Locked):
        stage.begin(size=1)
    stage.ask("DELETE", url)
    stage.ends("cancelled")
    stage.begin(size=1)


def test_whoever_comes_later_ends_who_hangs(stage: Stage) -> None:
    url = stage.begin()
    came: list[Answer] = []

    def another() -> None:
        came.append(stage.ask("HEAD", url))

    answer = stage.patch(url, 0, more(bytes(PIECE)), another, more(bytes(PIECE)))
    assert (answer.status, answer.code) == (409, "upload_over")
    assert [(each.status, each.headers["upload-offset"]) for each in came] == [(200, str(PIECE))]
    assert stage.patch(url, PIECE, last(bytes(2 * PIECE))).status == 204
    stage.ends("succeeded")


def test_what_a_process_that_lives_holds_is_left_to_it(stage: Stage) -> None:
    url = stage.begin()
    assert stage.patch(url, 0, last(bytes(PIECE))).status == 204
    now = timezone.now()
    other = Worker.objects.create(name="other", node=stage.transfers.node, pid=1, started_at=now, beat_at=now)
    Operation.objects.update(worker=other)
    answer = stage.patch(url, PIECE, last(bytes(PIECE)))
    assert (answer.status, answer.code, stage.offset(url)) == (409, "upload_over", PIECE)
    Worker.objects.filter(pk=other.pk).update(stopped_at=now)
    assert stage.patch(url, PIECE, last(bytes(2 * PIECE))).status == 204
    stage.ends("succeeded")


LONG = [more(bytes(PIECE)), more(bytes(PIECE)), more(bytes(PIECE)), last(b"x")]


LENGTHS: list[tuple[list[Message], dict[str, str | None], int, int | None]] = [
    # Longer than said: refused at once where it says so itself, else as soon as it is.
    ([GONE], {"content_length": str(3 * PIECE + 1), "transfer_encoding": None}, 413, 0),
    (LONG, {}, 413, None), ([last(bytes(3 * PIECE) + b"x")], {}, 413, 0),
    # Shorter: what was enough to be judged counts, what was not is nothing.
    ([more(bytes(PIECE)), more(b"123"), GONE], {"content_length": str(3 * PIECE)}, 204, PIECE + 3),
    ([more(b"123"), GONE], {"content_length": str(3 * PIECE)}, 204, 0), ([last(b"123")], {}, 400, 0),
    ([GONE], {}, 204, 0), ([last()], {}, 204, 0),
    ([last(bytes(PIECE))], {"upload_offset": "1"}, 409, 0), ([last(bytes(PIECE))], {"upload_offset": "x"}, 400, 0),
]  # fmt: skip


def test_a_body_of_another_length(stage: Stage) -> None:
    for number, (body, headers, status, offset) in enumerate(LENGTHS):
        before = stage.charged()
        url = stage.begin(f"{number}.img")
        assert stage.patch(url, 0, *body, **headers).status == status, number
        now = Upload.objects.latest("pk")
        assert offset is None or now.offset_bytes == offset, number
        assert len(stage.bytes_of(f"{number}.img") or b"") <= 3 * PIECE
        assert now.operation.state in ("queued", "running") and stage.charged() == before + 3 * PIECE


def test_a_body_with_another_sum_counts_for_nothing(stage: Stage) -> None:
    url = stage.begin()
    wrong = "sha256 " + "A" * 43 + "="
    body = [more(bytes(PIECE)), more(bytes(PIECE)), last(bytes(PIECE))]
    assert stage.patch(url, 0, *body, upload_checksum=wrong).status == 460
    stage.turn()
    assert stage.offset(url) == 0 and stage.operation().state == "running"
    assert stage.patch(url, 0, *body[:2], GONE, upload_checksum=wrong).status == 204
    assert stage.offset(url) == 0


def test_a_small_file_that_is_a_large_disk_is_charged_as_that(stage: Stage, tmp_path: Path) -> None:
    Quota.objects.create(user=stage.actor.user, disk_bytes=1 << 30)
    with pytest.raises(OverQuota):
        stage.begin(size=1 << 31)
    data = image(tmp_path, "qcow2", size=1 << 40)
    url = stage.begin(size=len(data), format="qcow2")
    answer = stage.patch(url, 0, last(data))
    assert (answer.status, answer.code) == (409, "over_quota")
    stage.ends("failed", "over_quota")


def test_one_person_has_so_many_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "MOST_OF_A_USER", 1)
    first, second = stage.begin("first.img"), stage.begin("second.img")
    came: list[Answer] = []

    def another() -> None:
        came.append(stage.patch(second, 0, last(bytes(PIECE))))

    assert stage.patch(first, 0, more(bytes(PIECE)), another, last(bytes(PIECE))).status == 204
    assert [(each.status, each.code) for each in came] == [(503, "too_many_transfers")]
    assert stage.patch(second, 0, last(bytes(PIECE))).status == 204


def test_all_that_came_is_no_failure_of_who_sent_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock strikes between the last byte and its answer."""
    close, strikes = work.Writer.close, iter([stage.turn])

    def strike_and_close(writer: work.Writer) -> None:
        next(strikes, lambda: None)()
        close(writer)

    monkeypatch.setattr(work.Writer, "close", strike_and_close)
    url = stage.begin()
    answer = stage.patch(url, 0, more(bytes(PIECE)), last(bytes(2 * PIECE)))
    assert (answer.status, answer.headers["upload-offset"]) == (204, str(3 * PIECE))
    stage.ends("succeeded")


@pytest.mark.parametrize("over", [True, False])
def test_an_end_that_comes_too_late_is_none(over: bool) -> None:
    """Else the answer to what is over would be a failure."""

    async def carry() -> bool:
        way = transfers.Way(user=1, check=lambda: None, wake=transfers.this_task())
        if over:
            way.over.set()
        try:
            way.end("whole")
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            transfers.go_on()
            return False
        return True

    assert asyncio.run(carry()) is over


@pytest.fixture
def disk(stage: Stage) -> Volume:
    """A ready one of mallory's."""
    stage.fake.volumes[str(stage.pool.uuid), "disk.img"] = bytes(range(256)) * (2 * MIB // 256)
    return Volume.objects.create(
        storage=stage.pool.storage, name="disk.img", format="raw", told_format="raw", capacity_bytes=2 * MIB,
        kind="file", owner=stage.actor.user, state="ready", present=True,
    )  # fmt: skip


def fetch(stage: Stage, volume: Volume, **headers: str | None) -> Answer:
    return stage.ask("GET", f"/transfer/volumes/{volume.pk}", **headers)


def test_a_part_of_a_volume_goes_out(stage: Stage, disk: Volume) -> None:
    answer = fetch(stage, disk, x_csrftoken=None, origin=None)
    assert (answer.status, len(answer.body)) == (200, 2 * MIB)
    assert answer.headers["content-type"] == "application/octet-stream"
    tag = answer.headers["etag"]
    part = fetch(stage, disk, range="bytes=0-9", if_range=tag)
    assert (part.status, part.headers["content-range"], part.body) == (206, f"bytes 0-9/{2 * MIB}", bytes(range(10)))
    assert len(fetch(stage, disk, range="bytes=0-9", if_range='"another"').body) == 2 * MIB
    assert fetch(stage, disk, range=f"bytes={2 * MIB}-").headers["content-range"] == f"bytes */{2 * MIB}"
    head = stage.ask("HEAD", f"/transfer/volumes/{disk.pk}")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(2 * MIB), b"")


NOT_SERVED: list[tuple[dict[str, Any], int]] = [
    ({"state": "incomplete"}, 409), ({"kind": "dir"}, 409), ({"kind": ""}, 409), ({"present": False}, 409),
    ({"owner": None}, 404),
]  # fmt: skip


def test_what_is_not_handed_out(stage: Stage, disk: Volume) -> None:
    as_it_was = {"state": disk.state, "kind": disk.kind, "present": True, "owner": disk.owner}
    for fields, status in NOT_SERVED:
        Volume.objects.update(**{**as_it_was, **fields})
        assert fetch(stage, disk).status == status, fields
    assert stage.ask("PUT", f"/transfer/volumes/{disk.pk}").status == 405
    assert stage.ask("GET", "/transfer/volumes/99999").status == 404
    assert not stage.fake.opened


def test_a_right_that_goes_ends_a_download(stage: Stage, disk: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short of what was said, which whoever reads it sees."""
    read = download_ways.Reader.read
    blocks = 0

    def reading(reader: download_ways.Reader) -> bytes:
        nonlocal blocks
        blocks += 1
        if blocks == 1:
            Volume.objects.update(owner=None)
            stage.turn()
        return read(reader)

    monkeypatch.setattr(download_ways.Reader, "read", reading)
    answer = fetch(stage, disk)
    assert (answer.status, len(answer.body) < 2 * MIB) == (200, True)
    assert not stage.transfers.ways
