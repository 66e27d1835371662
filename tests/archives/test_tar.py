from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from vms.archives import Member, list_members
from vms.errors import RefusedArchive


def packed(*files: tuple[str, bytes], form: int = tarfile.USTAR_FORMAT, **odd: Any) -> bytes:
    """A tar of these files; odd: what their headers say besides."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in odd.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def listed(image: bytes) -> list[Member]:
    return list_members(lambda offset, length: image[offset : offset + length], len(image))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_side_by_side(form: int) -> None:
    image = packed(("a.ovf", b"<x/>"), ("disk 1.vmdk", b"y" * 1000), form=form)
    found = listed(image)
    assert [(each.name, each.size) for each in found] == [("a.ovf", 4), ("disk 1.vmdk", 1000)]
    assert image[found[1].offset : found[1].offset + found[1].size] == b"y" * 1000


def test_only_headers_are_read() -> None:
    image = packed(("a.ovf", b"<x/>"), ("disk.vmdk", bytes(8 << 20)))
    asked = []

    def read(offset: int, length: int) -> bytes:
        asked.append(length)
        return image[offset : offset + length]

    assert len(list_members(read, len(image))) == 2
    assert sum(asked) < 64 << 10


@pytest.mark.parametrize(
    "image",
    [
        packed(("../a", b"")), packed(("/a", b"")), packed(("b/a", b"")), packed(("..", b"")), packed((".a", b"")),
        packed(("a\nb", b"")), packed(("a" * 201, b""), form=tarfile.PAX_FORMAT),
        packed(("a", b""), type=tarfile.SYMTYPE, linkname="/etc/shadow"), packed(("a", b""), type=tarfile.DIRTYPE),
        packed(("a", b""), type=tarfile.LNKTYPE, linkname="b"), packed(("a", b""), type=tarfile.FIFOTYPE),
        packed(("a", b""), type=tarfile.BLKTYPE),
        packed(("a", b"x"), form=tarfile.PAX_FORMAT, pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": "99"}),
    ],
)  # fmt: skip
def test_nothing_but_plain_files_with_plain_names(image: bytes) -> None:
    with pytest.raises(RefusedArchive) as refused:
        listed(image)
    assert refused.value.params["reason"] in ("member", "bad_archive")


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "bad_archive"),
        (b"\x1f\x8b" + bytes(2000), "bad_archive"),
        (b"nonsense" * 200, "bad_archive"),
        (packed(("a", b"1"), ("a", b"2")), "twice"),
        (packed(*((f"f{number}", b"") for number in range(65))), "many"),
        (packed(("a", bytes(100_000)))[:60_000], "cut_off"),
        (packed(("a", b""), form=tarfile.PAX_FORMAT, pax_headers={"comment": "x" * (2 << 20)}), "bad_archive"),
    ],
)
def test_no_archive_that_is_taken(image: bytes, reason: str) -> None:
    with pytest.raises(RefusedArchive) as refused:
        listed(image)
    assert refused.value.params["reason"] == reason


@pytest.mark.parametrize("at", range(0, 512, 7))
@pytest.mark.parametrize("change", [lambda byte: byte ^ 0x80, lambda byte: 0])
def test_a_bent_header_is_refused_or_read(at: int, change: Callable[[int], int]) -> None:
    image = bytearray(packed(("a.ovf", b"<x/>"), ("b", b"")))
    image[at] = change(image[at])
    try:
        listed(bytes(image))
    except RefusedArchive:
        return
