from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from vms.archives import read_vmdk
from vms.errors import RefusedArchive, RefusedImage

MIB: Final = 1 << 20
SIZE: Final = 40 * MIB + 5 * 512


def reading(image: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: image[offset : offset + length]


def written(image: bytes) -> bytes:
    """The disk that comes of it, whose pieces ascend and never meet."""
    disk, at = bytearray(SIZE), 0
    for offset, data in read_vmdk(reading(image), len(image)):
        assert offset >= at
        assert 0 < len(data) <= MIB
        disk[offset : offset + len(data)] = data
        at = offset + len(data)
    assert len(disk) == SIZE
    return bytes(disk)


@pytest.fixture(scope="module")
def disk() -> bytes:
    """With holes, a piece of zeros, and data up to its odd end."""
    random = Random(6)
    content = bytearray(SIZE)
    for at, length in ((0, 3 * MIB), (7 * MIB + 512, 100), (33 * MIB, 64 << 10), (SIZE - 700, 700)):
        content[at : at + length] = random.randbytes(length)
    return bytes(content)


@pytest.fixture(scope="module")
def images(disk: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("vmdk")
    (folder / "disk").write_bytes(disk)
    made = {}
    for kind in ("streamOptimized", "monolithicSparse"):
        path: Path = folder / kind
        command = ("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", f"subformat={kind}", folder / "disk", path)
        subprocess.run(command, check=True, timeout=60)
        made[kind] = path.read_bytes()
    return made


@pytest.mark.parametrize("kind", ["streamOptimized", "monolithicSparse"])
def test_all_that_was_written_and_nothing_else(kind: str, images: dict[str, bytes], disk: bytes) -> None:
    assert written(images[kind]) == disk


@pytest.mark.parametrize("kind", ["streamOptimized", "monolithicSparse"])
def test_holes_stay_holes(kind: str, images: dict[str, bytes]) -> None:
    image = images[kind]
    assert sum(len(data) for _, data in read_vmdk(reading(image), len(image))) < 5 * MIB


@pytest.mark.parametrize("kind", ["streamOptimized", "monolithicSparse"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_cut_off_image(kind: str, part: float, images: dict[str, bytes]) -> None:
    image = images[kind][: int(len(images[kind]) * part)]
    with pytest.raises((RefusedArchive, RefusedImage)):
        written(image)


def first_grain(image: bytes) -> int:
    """Where the first marker with data stands."""
    at: int = struct.unpack_from("<Q", image, 64)[0] * 512
    while not struct.unpack_from("<I", image, at + 8)[0]:
        at += 512 * (1 + int(struct.unpack_from("<Q", image, at)[0]))
    return at


def marked(image: bytes, place: int | None = None, length: int | None = None, packed: bytes | None = None) -> bytes:
    """The image with another first grain."""
    at = first_grain(image)
    old_place, old_length = struct.unpack_from("<QI", image, at)
    head = struct.pack("<QI", old_place if place is None else place, old_length if length is None else length)
    data = image[at + 12 : at + 12 + old_length] if packed is None else packed.ljust(old_length, b"\0")
    return image[:at] + head + data + image[at + 12 + old_length :]


def other_marker(image: bytes, sectors: int, kind: int) -> bytes:
    """The image with something else than a grain in its place."""
    at = first_grain(image)
    return image[:at] + struct.pack("<QII", sectors, 0, kind) + image[at + 16 :]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda image: marked(image, place=2**62), "bad_disk"),
        (lambda image: marked(image, place=7), "bad_disk"),
        (lambda image: marked(image, place=SIZE // 512 // 128 * 128), "order"),
        (lambda image: marked(image, length=2**31), "bad_disk"),
        (lambda image: marked(image, packed=b"nonsense"), "bad_disk"),
        (lambda image: marked(image, packed=zlib.compress(bytes(16 * MIB))), "packed"),
        (lambda image: marked(image, packed=zlib.compress(b"little")), "packed"),
        (lambda image: other_marker(image, 1, 9), "bad_disk"),
        (lambda image: other_marker(image, 2**60, 1), "bad_disk"),
    ],
)  # fmt: skip
def test_a_stream_that_lies(change: Callable[[bytes], bytes], reason: str, images: dict[str, bytes]) -> None:
    image = change(images["streamOptimized"])
    with pytest.raises(RefusedArchive) as refused:
        written(image)
    assert refused.value.params["reason"] == reason


@pytest.mark.parametrize("at", [56, 44])
def test_tables_that_are_elsewhere(at: int, images: dict[str, bytes]) -> None:
    image = images["monolithicSparse"]
    image = image[:at] + struct.pack("<I", 1) + image[at + 4 :]
    with pytest.raises((RefusedArchive, RefusedImage)):
        written(image)


def test_what_names_other_files_is_refused_before(images: dict[str, bytes]) -> None:
    image = images["monolithicSparse"].replace(b" SPARSE ", b" FLAT   ", 1)
    with pytest.raises(RefusedImage):
        written(image)
