"""Images: fetched into a pool, copied into another, and read to know what they are."""

from __future__ import annotations

from dataclasses import dataclass

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark


@dataclass(frozen=True)
class FetchedImage(Params):
    """name: the volume's. checksum: "sha256:…", "" for none that somebody has given; checksum_url: where its project
    publishes it; entry: its id in the catalogue."""

    url: str
    name: str
    checksum: str = ""
    checksum_url: str = ""
    entry: str = ""


@dataclass(frozen=True)
class CopiedImage(Params):
    """image: its id; name: the new volume's."""

    image: int
    name: str


FETCH = Kind(
    name="image.fetch",
    title=mark("Fetch an image"),
    done=mark("was given an image that was fetched"),
    target="pool",
    privileges=("image.fetch", "pool.upload"),
    params=FetchedImage,
    queue="slow",
    lock=False,
    cancellable=True,
    silence_seconds=240,
    takes=frozenset({"disk_bytes"}),
)

COPY = Kind(
    name="image.copy",
    title=mark("Copy an image"),
    done=mark("was given a copy of an image"),
    target="pool",
    privileges=("pool.upload",),
    params=CopiedImage,
    queue="slow",
    lock=False,
    cancellable=True,
    silence_seconds=120,
    takes=frozenset({"disk_bytes"}),
)

CHECK = Kind(
    name="image.check",
    title=mark("Read it, and remember its checksum"),
    done=mark("read as an image"),
    target="volume",
    privileges=(),
    deed="copy",
    queue="slow",
    cancellable=True,
    silence_seconds=120,
)

KINDS = (FETCH, COPY, CHECK)
