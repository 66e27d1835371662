"""VHDX, as [MS-VHDX] describes it: without a parent, and with nothing in its log, which would be written over it before
it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from vms.headers.head import LARGEST, Head, check

KIB: Final = 1 << 10
HEADERS: Final = (64 * KIB, 128 * KIB)
TABLES: Final = (192 * KIB, 256 * KIB)
ENTRIES: Final = 64
BAT: Final = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA: Final = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
PARAMETERS: Final = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
SIZE: Final = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
PARENT: Final = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
# The disk's identity and the sizes of its sectors.
OTHERS: Final = frozenset({
    UUID("beca12ab-b2e6-4523-93ef-c309e000c746"), UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f"),
    UUID("cda348c7-445d-4471-9cc9-e9885251c556"),
})  # fmt: skip
HAS_PARENT: Final = 2


def capacity(head: Head) -> int:
    """Its virtual size in bytes; RefusedImage where it is not one that stands by itself."""
    for at in HEADERS:
        # One of the two may be torn; an empty place is none.
        if any(head.take(at, 4 * KIB)):
            check(head.take(at, 4) == b"head")
            check(not any(head.take(at + 48, 16)), "log")
    items = dict(metadata(head, region(head)))
    check(PARENT not in items, "parent")
    check(PARAMETERS in items and SIZE in items)
    check(not head.little(items[PARAMETERS] + 4, 4) & HAS_PARENT, "parent")
    size = head.little(items[SIZE], 8)
    check(size <= LARGEST)
    return size


def region(head: Head) -> int:
    """Where the metadata begin, of which both tables say the same."""
    first, second = (head.take(at, 64 * KIB) for at in TABLES)
    check(first == second and first[:4] == b"regi")
    found = {}
    count = head.little(TABLES[0] + 8, 4)
    check(count <= ENTRIES)
    for number in range(count):
        at = TABLES[0] + 16 + 32 * number
        sort = UUID(bytes_le=head.take(at, 16))
        check(sort in (BAT, METADATA), "unknown_feature")
        check(sort not in found)
        found[sort] = head.little(at + 16, 8)
        check(found[sort] % (1 << 20) == 0 and 0 < found[sort] < head.size)
    check(len(found) == 2)
    return found[METADATA]


def metadata(head: Head, start: int) -> Iterator[tuple[UUID, int]]:
    """Each item with its place."""
    check(head.take(start, 8) == b"metadata")
    count = head.little(start + 10, 2)
    check(count <= ENTRIES)
    known: set[UUID] = set()
    for number in range(count):
        at = start + 32 + 32 * number
        sort = UUID(bytes_le=head.take(at, 16))
        check(sort in OTHERS or sort in (PARAMETERS, SIZE, PARENT), "unknown_feature")
        check(sort not in known)
        known.add(sort)
        place = head.little(at + 16, 4)
        check(place >= 64 * KIB)
        yield sort, start + place
