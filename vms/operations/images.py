"""Images: bytes that arrive from the internet or from another pool become a volume, all of them or none."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Final

from django.db import transaction

from vms import headers
from vms.errors import (
    Aborted,
    ChecksumDiffers,
    ImageRefused,
    Locked,
    NameTaken,
    OutboundBroken,
    OutboundRefused,
    ServerRefused,
)
from vms.kinds import images as kinds
from vms.libvirtxml import volume_document
from vms.models import Image, ImageCopy, Operation, OperationLock, StoragePool, Volume
from vms.operations.jobs import is_to_end, tell
from vms.operations.volumes import (
    ARRIVES,
    BLOCK,
    actor_of,
    beginning,
    being_made,
    create_facts,
    is_made,
    keep,
    mend_create,
    pool_of,
    require_same,
    take_away,
    volume_of,
)
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.osdata import CATALOGUE, Checksum, find, read
from vms.osdata import tell as told_system
from vms.permissions import require as require_right
from vms.permissions import require_deed
from vms.services import images, quotas
from vms.services import volumes as services
from vms.services.addresses import parse
from vms.services.locks import take_locks
from vms.services.outbound import open_url
from vms.virt import Connection, HostSpec, Job, connect

# A server may go away so often without having sent anything between, with so many seconds to come back.
TRIES: Final = 6
PAUSE: Final = 5.0
LONGEST_SUMS: Final = 4 << 20
SECONDS: Final = 24 * 3600.0
# How often it is looked whether to go on, and told how far it is.
LOOK: Final = 1.0
PACKED: Final = (b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh", b"PK\3\4", b"7z\xbc\xaf\x27\x1c")


class Arrival:
    """Bytes on their way into a volume that is not there before they have begun to come; see arriving()."""

    def __init__(self, work: Work, size: int = 0) -> None:
        self.work, self.size = work, size
        self.first = b""
        self.done = 0
        self.sums = {"sha256": hashlib.sha256(), "sha512": hashlib.sha512()}
        self.looked = time.monotonic()

    def add(self, piece: bytes) -> bytes:
        """The piece, counted. Raises Aborted where somebody has cancelled it, OperationLost, NotAllowed."""
        for each in self.sums.values():
            each.update(piece)
        self.done += len(piece)
        if len(self.first) < headers.ENOUGH:
            self.first = (self.first + piece)[: headers.ENOUGH]
        if time.monotonic() - self.looked > LOOK:
            self.look()
        return piece

    def may_go_on(self) -> None:
        """Nothing; raises Aborted where somebody has cancelled it, OperationLost, NotAllowed."""
        self.looked = time.monotonic()
        self.work.heard()
        self.work.may_go_on()
        if is_to_end(self.work.operation):
            raise Aborted

    def look(self) -> None:
        """Whether this is to go on, and how far it is."""
        self.may_go_on()
        tell(self.work.operation, Job(done=self.done, left=self.size - self.done))

    @property
    def sha256(self) -> str:
        return self.sums["sha256"].hexdigest()

    def require(self, expected: Checksum | None) -> None:
        """Nothing, or ChecksumDiffers."""
        found = self.sums[expected.algorithm].hexdigest() if expected else ""
        if expected and found != expected.digest:
            raise ChecksumDiffers(expected=expected.digest, found=found)


@dataclass(frozen=True)
class Landing:
    """Where bytes go: to be a volume of that name in the pool. besides: on its way to something else, which has
    so many bytes of disks reserved; None where it is what the operation is for."""

    pool: StoragePool
    name: str
    besides: int | None = None


def landing(operation: Operation) -> Landing:
    """That of an operation which brings an image and nothing else."""
    return Landing(pool_of(operation), operation.params["name"])


def arrive(
    arrival: Arrival,
    to: Landing,
    pieces: Iterator[bytes],
    expected: Checksum | None,
    describe: Callable[[bytes], dict[str, str]],
    source: Volume | None = None,
) -> Volume:
    """A ready volume with all that comes, once it is what was expected, and an image that is described by its
    beginning. source: what it is read from, which is then known to be the same. Nothing is made before that was judged;
    where anything fails nothing is left of it.

    Raises RefusedImage, ImageRefused, ChecksumDiffers, OverQuota, NameTaken, Aborted, OutboundBroken where it is
    short, VirtError.
    """
    work, size, pool = arrival.work, arrival.size, to.pool
    operation = work.operation
    held: list[bytes] = []
    while len(arrival.first) < min(headers.ENOUGH, size) and (piece := next(pieces, b"")):
        arrival.add(piece)
        held.append(piece)
    format = judged(arrival.first, size)
    capacity = headers.capacity(arrival.first, size=size)
    charge(operation, max(size, capacity), to.besides or 0)
    files = pool.type in services.FILES
    with being_made(work, pool, name=to.name if to.besides is not None else "") as row:
        # To the host it is bytes until all of them are there.
        document = volume_document(to.name, size, "raw" if files else "", whole=not files)
        there = work.connection.create_volume(str(pool.uuid), document, name=to.name)
        work.log("volume_made", name=to.name)
        if pool.type in services.RESIDUE and there.facts().physical > size:
            there.wipe()
        into = there.upload(0, size)
        try:
            for piece in held:
                into.send(piece)
            for piece in pieces:
                into.send(arrival.add(piece))
            if arrival.done != size:
                raise OutboundBroken
            arrival.look()
            into.finish()
        finally:
            into.abort()
        arrival.require(expected)
        work.may_go_on()
        facts = there.facts()
        with transaction.atomic():
            keep(row, facts, "raw" if format == "iso" else format)
            row.capacity_bytes, row.sha256 = max(size, capacity), arrival.sha256
            row.save(update_fields=["capacity_bytes", "sha256"])
            # From here on it counts as a volume.
            reserved = operation.reservations.filter(resource="disk_bytes")
            reserved.update(amount=to.besides) if to.besides else reserved.delete()
            if source is not None:
                images.learn(source, arrival.sha256, format=format, size=size)
            images.learn(row, arrival.sha256, format=format, size=size, **describe(arrival.first))
    return row


def charge(operation: Operation, size: int, besides: int = 0) -> None:
    """Reserve what it will take, in the place of what could be known when it was asked for. Raises OverQuota."""
    with transaction.atomic():
        before = operation.reservations.filter(resource="disk_bytes").select_related("user", "group").first()
        operation.reservations.filter(resource="disk_bytes").delete()
        # What is made in the end may be charged to a group.
        subject = (before and (before.user or before.group)) or operation.actor_user
        if subject and size + besides:
            quotas.reserve(operation, subject, {"disk_bytes": size + besides})


def judged(first: bytes, size: int) -> str:
    """The format; RefusedImage, or ImageRefused for what is packed, and for what is neither a disk nor an ISO, such as
    a page that says that there is none."""
    if first.startswith(PACKED):
        raise ImageRefused(reason="packed")
    found = headers.judge(first, size=size)
    if found == "ova" or (found == "raw" and first[510:512] != b"\x55\xaa"):
        raise ImageRefused(reason="no_disk")
    return found


class Remote:
    """What an address sends, taken up again where it broke off."""

    def __init__(self, url: str, *, checked: bool, between: Callable[[], None]) -> None:
        self.url = url
        # Asked whenever it broke off: it raises where this is not to go on.
        self.between = between
        # Its checksum will tell whether the parts are of one thing.
        self.checked = checked
        self.size: int | None = None
        self.version = ""
        self.at = 0

    def pieces(self) -> Generator[bytes]:
        """All of it, in order. Raises OutboundRefused, OutboundBroken, ServerRefused, ImageRefused."""
        left = TRIES
        while self.size is None or self.at < self.size:
            before = self.at
            try:
                yield from self.some()
            except (OutboundBroken, OutboundRefused, ServerRefused):
                left = TRIES if self.at > before else left - 1
                if not left or self.size is None or not (self.version or self.checked):
                    raise
                self.between()
                time.sleep(PAUSE if self.at == before else 0)

    def some(self) -> Iterator[bytes]:
        """What one answer brings of it."""
        with open_url(self.url, start=self.at, version=self.version, seconds=SECONDS) as answer:
            if answer.size is None:
                raise ImageRefused(reason="length")
            if self.size is None:
                self.size, self.version = answer.size, answer.version
            if (answer.size, answer.version) != (self.size, self.version):
                raise ImageRefused(reason="changed")
            skip = self.at - answer.start
            while piece := answer.read(BLOCK):
                new, skip = piece[skip:], max(skip - len(piece), 0)
                self.at += len(new)
                if new:
                    yield new


def fetch(work: Work) -> None:
    params = kinds.FetchedImage.from_json(work.operation.params)
    expected = read(params.checksum) or published(params)
    download(work, landing(work.operation), params.url, expected, lambda first: described(params, first))


def download(
    work: Work, to: Landing, url: str, expected: Checksum | None, describe: Callable[[bytes], dict[str, str]]
) -> Volume:
    """What the address sends. Raises OutboundRefused, OutboundBroken, ServerRefused, and what arrive() raises."""
    arrival = Arrival(work)
    remote = Remote(url, checked=expected is not None, between=arrival.look)
    with closing(remote.pieces()) as pieces:
        first = next(pieces, b"")
        arrival.size = remote.size or 0
        return arrive(arrival, to, chain([first], pieces), expected, describe)


def published(params: kinds.FetchedImage) -> Checksum | None:
    """The checksum that the image's project publishes; None where none is asked for. Raises ImageRefused where it is
    not there."""
    if not params.checksum_url:
        return None
    with open_url(params.checksum_url, seconds=120) as answer:
        found = find(answer.text(LONGEST_SUMS), parse(params.url).file_name)
    if found is None:
        raise ImageRefused(reason="checksum")
    return found


def described(params: kinds.FetchedImage, first: bytes) -> dict[str, str]:
    """What the image is called and installs, by the catalogue, its own label or its file's name, and where it is from,
    without what a query might have of secrets."""
    came = {"source_url": params.url.partition("?")[0]}
    if entry := CATALOGUE.get(params.entry):
        return {**came, "name": entry.name, "os": entry.os, "version": entry.version, "arch": entry.arch}
    return {**came, "name": params.name, **system(first, params.name)}


def system(first: bytes, name: str) -> dict[str, str]:
    os, arch = told_system(first, name)
    return {"os": os, "arch": arch}


def copy(work: Work) -> None:
    """From the nearest copy that the actor may read and this worker reaches."""
    params = kinds.CopiedImage.from_json(work.operation.params)
    found = images.source(actor_of(work.operation), params.image, work.operation.node)
    if found is None:
        raise ImageRefused(reason="gone")
    stream(work, landing(work.operation), *found)


def stream(work: Work, to: Landing, source: ImageCopy, pool: StoragePool) -> Volume:
    """The bytes of that copy, through this worker. Raises VolumeNotReady, VolumeStrayed, and what arrive() raises."""
    services.require_served(source.volume)
    with connect(HostSpec(**pool.host.spec_fields())) as connection:
        there = connection.volume(str(pool.uuid), source.volume.name)
        facts = there.facts()
        require_same(source.volume, facts)
        size = facts.physical
        way = there.download(0, size)
        try:
            arrival = Arrival(work, size)
            pieces = iter(lambda: way.read(BLOCK), b"")
            row = arrive(arrival, to, pieces, sum_of(source.image), lambda first: same(source.image), source.volume)
            way.finish()
            return row
        finally:
            way.abort()


def sum_of(image: Image) -> Checksum | None:
    return Checksum("sha256", image.sha256) if image.sha256 else None


def same(image: Image) -> dict[str, str]:
    """What a copy is called and installs: the same."""
    return {name: str(getattr(image, name)) for name in ("name", "os", "version", "arch", "source_url")}


def place(
    work: Work, image: int, pool: StoragePool, fits: Callable[[StoragePool], bool] = lambda pool: True
) -> tuple[ImageCopy, StoragePool]:
    """A copy of the image on the pool's host that the operation's actor may use, and the pool in which it is there:
    one of a pool that fits, else a new one that is brought into the pool first, from another host's copy, or from where
    it was fetched. As a step of an operation on that host; its undo and its mend call unplace(). What came whole stays.

    Raises NotAllowed without pool.use where it is brought, ImageRefused ("gone": there is no copy that the actor may
    read, or none that is reached; "format": the pool keeps no such format), and what arrive() raises.
    """
    who, operation = actor_of(work.operation), work.operation
    waits = False
    while True:
        there = [each for each in images.on_host(who, pool.host, [image]) if fits(each[1])]
        if there:
            return next((each for each in there if each[1] == pool), there[0])
        require_right(who, "pool.use", pool)
        try:
            take_locks(operation, key := f"image:{image}:{pool.storage_id}")
        except Locked:
            if not waits:
                work.log("image_awaited")
            waits = True
            Arrival(work).may_go_on()
            time.sleep(LOOK)
            continue
        try:
            row = bring(work, image, pool)
            return ImageCopy.objects.select_related("volume", "image").get(volume=row), pool
        finally:
            OperationLock.objects.filter(operation=operation, key=key).delete()


def bring(work: Work, image: int, pool: StoragePool) -> Volume:
    """A new copy in the pool, whatever has the image."""
    who = actor_of(work.operation)
    copy = images.readable(who, image)
    if copy is None:
        raise ImageRefused(reason="gone")
    if copy.volume.format not in (*services.formats(pool), "raw"):
        raise ImageRefused(reason="format")
    reserved = work.operation.reservations.filter(resource="disk_bytes").first()
    found, known = images.source(who, image, work.operation.node), sum_of(copy.image)
    for name in images.names_for(copy, pool):
        to = Landing(pool, name, reserved.amount if reserved else 0)
        try:
            if found:
                return stream(work, to, *found)
            if not known or not copy.image.source_url:
                raise ImageRefused(reason="gone")
            return download(work, to, copy.image.source_url, known, lambda first: same(copy.image))
        except NameTaken:
            # By something that its pool has not told of yet.
            continue
    raise NameTaken(name=copy.volume.name)


def unplace(connection: Connection, operation: Operation) -> None:
    """Take away what place() began to bring and did not bring to its end; nothing where there is nothing. Raises
    VirtError."""
    lines = operation.log.filter(code=ARRIVES).values_list("params", flat=True)
    rows = Volume.objects.filter(pk__in=[int(params["volume"]) for params in lines], state=Volume.State.INCOMPLETE)
    for row in rows:
        pool = StoragePool.objects.filter(storage=row.storage_id, host=operation.host_id, present=True).first()
        if pool is not None:
            take_away(connection, pool, row)


def check(work: Work) -> None:
    """Read all of it: its sum, and what its beginning tells."""
    row, pool = volume_of(work), pool_of(work.operation)
    require_deed(actor_of(work.operation), "copy", row)
    services.require_served(row)
    there = work.connection.volume(str(pool.uuid), row.name)
    facts = there.facts()
    require_same(row, facts)
    size = facts.physical
    arrival = Arrival(work, size)
    way = there.download(0, size)
    try:
        arrival.add(beginning(way, min(size, headers.ENOUGH)))
        headers.require(arrival.first, row.format, size=size)
        while piece := way.read(BLOCK):
            arrival.add(piece)
        way.finish()
    finally:
        way.abort()
    Volume.objects.filter(pk=row.pk).update(sha256=arrival.sha256)
    format = headers.judge(arrival.first, size=size)
    if format == "ova":
        raise ImageRefused(reason="no_disk")
    images.learn(row, arrival.sha256, format=format, size=size, **system(arrival.first, row.name))


def facts(connection: Connection, operation: Operation) -> Facts:
    """As of a volume that is made; it is done when it is a copy of an image."""
    found = create_facts(connection, operation)
    copies = ImageCopy.objects.filter(
        volume__storage=pool_of(operation).storage_id, volume__name=operation.params["name"]
    )
    return {**found, "ready": found["ready"] and copies.exists()}


def known(connection: Connection, operation: Operation) -> Facts:
    """The sum that is remembered of it."""
    return {"sha256": operation.volume.sha256 if operation.volume else ""}


def is_known(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE


WAYS: Final = {
    kinds.FETCH.name: Way(fetch, facts, is_made, mend=mend_create),
    kinds.COPY.name: Way(copy, facts, is_made, mend=mend_create),
    kinds.CHECK.name: Way(check, known, is_known),
}
