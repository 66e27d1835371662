"""Images as people read them: what each installs, how large it is, and where copies of it are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from vms.models import Image, ImageCopy
from vms.osdata import CATALOGUE, Entry, find_system
from vms.permissions import Who, seen_hosts
from vms.services.images import copies, system_name


@dataclass(frozen=True)
class Place:
    """A copy: in which pool, on which host, "" where that is not told."""

    copy: ImageCopy
    pool: int
    pool_name: str
    host: str

    @property
    def label(self) -> str:
        return f"{self.pool_name} · {self.host}" if self.host else self.pool_name


@dataclass(frozen=True)
class Line:
    """One image. system: what it installs, "" for unknown; over: nobody mends that any more; sizes in KiB."""

    image: Image
    system: str
    over: bool
    places: list[Place]
    size_kib: float
    virtual_kib: float

    @property
    def offered(self) -> bool:
        return any(place.copy.published for place in self.places)


@dataclass(frozen=True)
class Offer:
    """What the catalogue has for one system, for each of its architectures."""

    entries: list[Entry]

    @property
    def first(self) -> Entry:
        return self.entries[0]


def make_lines(images: Iterable[Image], who: Who) -> list[Line]:
    """In the same order; three queries."""
    rows = list(images)
    found = copies(who, rows)
    seen = seen_hosts(who, [pool.host for places in found.values() for _, pool in places])
    return [
        Line(
            image=image,
            system=system_name(image),
            over=is_over(image),
            places=[
                Place(copy, pool.pk, pool.name, pool.host.name if pool.host_id in seen else "")
                for copy, pool in found.get(image.pk, [])
            ],
            size_kib=image.size_bytes / 1024,
            virtual_kib=image.virtual_bytes / 1024,
        )
        for image in rows
    ]


def is_over(image: Image) -> bool:
    system = find_system(image.os)
    return system is not None and system.is_over(timezone.now().date())


def catalogue() -> list[Offer]:
    """All that it holds, in its order."""
    found: dict[tuple[str, str], Offer] = {}
    for entry in CATALOGUE.values():
        found.setdefault((entry.name, entry.version), Offer([])).entries.append(entry)
    return list(found.values())
