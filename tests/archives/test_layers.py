from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from vms.archives import Layer, read_layers, write_qcow2
from vms.errors import RefusedArchive

MIB: Final = 1 << 20
SIZE: Final = 600 * MIB + 5 * 512


def reading(path: Path) -> Callable[[int, int], bytes]:
    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    return read


def layer(path: Path, format: str = "qcow2", snapshot: str = "") -> Layer:
    return Layer(reading(path), path.stat().st_size, format, snapshot)


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def write(path: Path, *parts: tuple[int, int, int]) -> None:
    """(pattern, offset, length) each."""
    steps = [word for part in parts for word in ("-c", "write -P {} {} {}".format(*part))]
    run("qemu-io", "-f", "qcow2", *steps, path)


def same(layers: list[Layer], path: Path, folder: Path, *, snapshot: str = "") -> None:
    """QEMU's own word of it."""
    told = folder / "told"
    inside = ("-l", f"snapshot.name={snapshot}") if snapshot else ()
    run("qemu-img", "convert", "-f", "qcow2", *inside, "-O", "raw", path, told)
    size, parts = read_layers(layers)
    assert size == told.stat().st_size
    with told.open("rb") as file, (folder / "found").open("w+b") as found:
        end = 0
        for offset, data in parts:
            assert offset >= end
            found.seek(offset)
            found.write(data)
            end = offset + len(data)
        found.truncate(size)
        found.seek(0)
        while piece := file.read(16 * MIB):
            assert found.read(len(piece)) == piece


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-f", "qcow2", path, str(SIZE))
    return path


def test_each_snapshot_is_what_it_was(image: Path, tmp_path: Path) -> None:
    write(image, (1, 0, 3 * MIB), (2, 511 * MIB, 2 * MIB), (3, SIZE - 512, 512))
    run("qemu-img", "snapshot", "-c", "one", image)
    write(image, (4, MIB + 512, 70 << 10), (0, 512 * MIB, 64 << 10))
    run("qemu-io", "-f", "qcow2", "-c", f"write -z {511 * MIB} {64 << 10}", image)
    run("qemu-img", "snapshot", "-c", "two ü", image)
    write(image, (5, 0, 600 * MIB // 8))
    for snapshot in ("one", "two ü", ""):
        same([layer(image, snapshot=snapshot)], image, tmp_path, snapshot=snapshot)


def test_a_snapshot_of_a_disk_that_grew_since_has_its_old_size(image: Path, tmp_path: Path) -> None:
    write(image, (1, 0, MIB))
    run("qemu-img", "snapshot", "-c", "small", image)
    run("qemu-img", "resize", image, str(SIZE + 64 * MIB))
    assert read_layers([layer(image, snapshot="small")])[0] == SIZE
    assert read_layers([layer(image)])[0] == SIZE + 64 * MIB


@pytest.mark.parametrize("below", ["raw", "qcow2", "packed"])
def test_what_lies_below_shows_through(below: str, tmp_path: Path) -> None:
    base, top = tmp_path / "base", tmp_path / "top"
    data = bytearray(48 * MIB)
    data[5 * MIB : 9 * MIB] = Random(4).randbytes(4 * MIB)
    data[20 * MIB : 21 * MIB] = b"\7" * MIB
    base.write_bytes(data)
    format = "raw"
    if below != "raw":
        packed = ("-c",) if below == "packed" else ()
        run("qemu-img", "convert", *packed, "-f", "raw", "-O", "qcow2", base, tmp_path / "other")
        base, format = tmp_path / "other", "qcow2"
    run("qemu-img", "create", "-f", "qcow2", "-b", base, "-F", format, top, str(64 * MIB))
    write(top, (9, 7 * MIB, MIB), (3, 47 * MIB, 2 * MIB))
    run("qemu-img", "snapshot", "-c", "kept", top)
    write(top, (1, 0, 30 * MIB))
    for snapshot in ("kept", ""):
        same([layer(top, snapshot=snapshot), layer(base, format)], top, tmp_path, snapshot=snapshot)


def test_a_new_image_of_it_is_whole(image: Path, tmp_path: Path) -> None:
    write(image, (1, 3 * MIB, MIB))
    run("qemu-img", "snapshot", "-c", "one", image)
    write(image, (2, 3 * MIB, MIB))
    size, parts = read_layers([layer(image, snapshot="one")])
    made = tmp_path / "made.qcow2"
    with made.open("wb") as file:
        for offset, data in write_qcow2(parts, size):
            file.seek(offset)
            file.write(data)
    run("qemu-img", "check", made)
    run("qemu-io", "-f", "qcow2", "-c", f"read -P 1 {3 * MIB} {MIB}", made)
    same([layer(made)], made, tmp_path)


def test_packed_otherwise_is_said(image: Path, tmp_path: Path) -> None:
    write(image, (1, 0, MIB))
    packed = tmp_path / "packed"
    run("qemu-img", "convert", "-c", "-o", "compression_type=zstd", "-f", "qcow2", "-O", "qcow2", image, packed)
    _, parts = read_layers([layer(packed)])
    with pytest.raises(RefusedArchive) as refused:
        list(parts)
    assert refused.value.params["reason"] == "packed"


def test_one_that_is_not_there_is_said(image: Path) -> None:
    run("qemu-img", "snapshot", "-c", "one", image)
    with pytest.raises(RefusedArchive) as refused:
        read_layers([layer(image, snapshot="on")])
    assert refused.value.params["reason"] == "no_snapshot"


@pytest.mark.parametrize("seed", range(60))
def test_what_lies_is_refused_or_read_but_nothing_else(image: Path, seed: int) -> None:
    """Bytes of its header and tables replaced: no other error, and no part outside the disk."""
    write(image, (1, 0, MIB), (2, 100 * MIB, MIB))
    run("qemu-img", "snapshot", "-c", "one", image)
    random = Random(seed)
    data = bytearray(image.read_bytes())
    for _ in range(4):
        at = random.choice([random.randrange(16, 104), random.randrange(len(data))])
        data[at] = random.randrange(256)
    held = bytes(data)
    try:
        size, parts = read_layers(
            [Layer(lambda offset, length: held[offset : offset + length], len(held), "qcow2", "one")]
        )
        for offset, piece in parts:
            assert offset + len(piece) <= size
    except RefusedArchive:
        pass
