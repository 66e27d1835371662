"""What is done with volumes."""

from __future__ import annotations

from dataclasses import dataclass

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

# Writing zeros over a disk tells nothing until it is done; a host that is gone is noticed by its connection.
LONG = 24 * 3600


@dataclass(frozen=True)
class NewVolume(Params):
    """name: in its pool. size_bytes: as a guest sees it."""

    name: str
    size_bytes: int
    format: str


@dataclass(frozen=True)
class Size(Params):
    size_bytes: int


@dataclass(frozen=True)
class Clone(Params):
    """pool: the id of the one that the copy goes into."""

    name: str
    pool: int


CREATE = Kind(
    name="volume.create",
    title=mark("Make a volume"),
    done=mark("given a volume"),
    target="pool",
    privileges=("pool.use",),
    params=NewVolume,
    queue="slow",
    lock=False,
    silence_seconds=LONG,
    takes=frozenset({"disk_bytes"}),
)

GROW = Kind(
    name="volume.grow",
    title=mark("Grow"),
    done=mark("grown"),
    target="volume",
    privileges=(),
    params=Size,
    silence_seconds=120,
    harm=1,
    takes=frozenset({"disk_bytes"}),
    deed="attach",
)

CLONE = Kind(
    name="volume.clone",
    title=mark("Clone"),
    done=mark("cloned"),
    target="volume",
    privileges=(),
    params=Clone,
    queue="slow",
    cancellable=True,
    silence_seconds=120,
    harm=1,
    takes=frozenset({"disk_bytes"}),
    deed="copy",
)

WIPE = Kind(
    name="volume.wipe",
    title=mark("Wipe"),
    done=mark("wiped"),
    target="volume",
    privileges=(),
    queue="slow",
    silence_seconds=LONG,
    harm=4,
    ask=True,
    deed="delete",
)

DELETE = Kind(
    name="volume.delete",
    title=mark("Delete"),
    done=mark("deleted"),
    target="volume",
    privileges=(),
    silence_seconds=120,
    harm=4,
    ask=True,
    deed="delete",
)

KINDS = (CREATE, GROW, CLONE, WIPE, DELETE)
