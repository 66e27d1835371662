"""What is served, what is refused and why, and that nothing else ever comes out of a header."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.headers.images import MIB, first, hollow_vmdk, little, made, number, put, qcow2_over, text_vmdk
from vms.errors import RefusedImage
from vms.headers import ENOUGH, FORMATS, capacity, judge, require

SECRET: Final = "/etc/shadow"
Change = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("images")
    return {
        **{format: made(folder, format) for format in ("qcow2", "vmdk", "vdi", "vhdx", "vpc")},
        "old": made(folder, "qcow2", "compat=0.10"),
        "wide": made(folder, "qcow2", "cluster_size=2M,extended_l2=on,compression_type=zstd,lazy_refcounts=on"),
        "narrow": made(folder, "qcow2", "cluster_size=512", size=MIB),
        "large": made(folder, "qcow2", size=10 << 40),
        "streams": made(folder, "vmdk", "subformat=streamOptimized"),
        "full": made(folder, "vdi", "static=on", size=4 * MIB),
        "data_file": made(folder, "qcow2", f"data_file={folder}/data,data_file_raw=on"),
        "qed": made(folder, "qed"),
        "parallels": made(folder, "parallels"),
        "qcow": made(folder, "qcow"),
        "flat": made(folder, "vmdk", "subformat=monolithicFlat"),
        "fixed": made(folder, "vpc", "subformat=fixed,force_size=on", size=MIB),
    }


def why(image: bytes, size: int | None = None) -> str:
    with pytest.raises(RefusedImage) as refused:
        judge(first(image), size=len(image) if size is None else size)
    return str(refused.value.params["reason"])


@pytest.mark.parametrize(
    ("name", "format"),
    [(name, name) for name in ("qcow2", "vmdk", "vdi", "vhdx", "vpc")]
    + [("old", "qcow2"), ("wide", "qcow2"), ("streams", "vmdk")],
)
def test_what_stands_by_itself_is_served(images: dict[str, bytes], name: str, format: str) -> None:
    image = images[name]
    assert judge(first(image), size=len(image)) == format
    assert 64 * MIB <= capacity(first(image), size=len(image)) < 65 * MIB
    require(first(image), format, size=len(image))


def test_sizes_of_other_images_are_right(images: dict[str, bytes]) -> None:
    for name, size in (("narrow", MIB), ("large", 10 << 40), ("full", 4 * MIB)):
        assert capacity(first(images[name]), size=len(images[name])) == size
    assert capacity(bytes(1000), size=1000) == 1000


def test_raw_is_what_nothing_else_is() -> None:
    boot = put(bytes(MIB), 510, b"\x55\xaa")
    assert judge(boot, size=MIB) == judge(b"", size=0) == judge(b"#!/bin/sh\nversion\n", size=18) == "raw"
    disc = put(boot, 32769, b"CD001")
    assert judge(disc, size=len(disc)) == "iso"
    require(disc, "raw", size=len(disc))
    require(disc, "iso", size=len(disc))
    with pytest.raises(RefusedImage, match="refused_image"):
        require(boot, "iso", size=len(boot))


HARM: Final[list[tuple[str, str, Change]]] = [
    ("qcow2", "backing_file", lambda image: qcow2_over(image, SECRET)),
    ("old", "backing_file", lambda image: qcow2_over(image, SECRET)),
    ("qcow2", "backing_file", lambda image: qcow2_over(image, 'json:{"driver":"file","filename":"/etc/shadow"}')),
    ("qcow2", "backing_file", lambda image: number(image, 16, 5)),
    ("data_file", "data_file", lambda image: image),
    ("qcow2", "data_file", lambda image: number(image, 72, 4, 8)),
    ("qcow2", "data_file", lambda image: number(image, 88, 2, 8)),
    ("qcow2", "data_file", lambda image: put(image, 112, b"DATA" + (8).to_bytes(4, "big") + b"/etc/foo" + bytes(8))),
    ("qcow2", "backing_file", lambda image: put(image, 112, b"\xe2\x79\x2a\xca" + (3).to_bytes(4, "big") + b"raw")),
    ("qcow2", "encrypted", lambda image: put(image, 112, b"\x05\x37\xbe\x77" + (16).to_bytes(4, "big"))),
    ("qcow2", "unknown_feature", lambda image: put(image, 112, b"NEW!" + (4).to_bytes(4, "big"))),
    ("qcow2", "bad_header", lambda image: number(image, 116, 2**32 - 1)),
    ("qcow2", "unknown_feature", lambda image: number(image, 72, 1 << 5, 8)),
    ("qcow2", "unknown_feature", lambda image: number(image, 72, 1 << 63, 8)),
    ("qcow2", "unknown_feature", lambda image: number(image, 72, 8, 8)),
    ("qcow2", "corrupt", lambda image: number(image, 72, 2, 8)),
    ("qcow2", "encrypted", lambda image: number(image, 32, 2)),
    ("qcow2", "snapshots", lambda image: number(image, 60, 1)),
    ("qcow2", "unknown_format", lambda image: number(image, 4, 4)),
    ("qcow2", "bad_header", lambda image: number(image, 20, 8)),
    ("qcow2", "bad_header", lambda image: number(image, 20, 22)),
    ("qcow2", "bad_header", lambda image: number(image, 24, 2**63, 8)),
    ("qcow2", "bad_header", lambda image: number(image, 24, 1 << 40, 8)),
    ("qcow2", "bad_header", lambda image: number(image, 36, 2**31)),
    ("qcow2", "bad_header", lambda image: number(image, 40, 2**63, 8)),
    ("qcow2", "bad_header", lambda image: number(image, 40, 513, 8)),
    ("qcow2", "bad_header", lambda image: number(image, 48, 0, 8)),
    ("qcow2", "bad_header", lambda image: number(image, 56, 2**31)),
    ("qcow2", "bad_header", lambda image: number(image, 96, 7)),
    ("qcow2", "bad_header", lambda image: number(image, 100, 72)),
    ("qcow2", "unknown_format", lambda image: put(image, 64, b"\x7f\x10\xda\xbe")),
    ("vmdk", "extents", lambda image: little(image, 12, 0, 8)),
    ("vmdk", "bad_header", lambda image: little(image, 12, 2**62, 8)),
    ("vmdk", "extents", lambda image: little(image, 28, 0, 8)),
    ("vmdk", "extents", lambda image: little(image, 36, 2**40, 8)),
    ("vmdk", "bad_header", lambda image: little(image, 28, 2**40, 8)),
    ("vmdk", "bad_header", lambda image: little(image, 20, 100, 8)),
    ("vmdk", "extents", lambda image: image.replace(b"monolithicSparse", b"monolithicFlat..")),
    ("vmdk", "extents", lambda image: image.replace(b'createType="', b'otherType_="', 1)),
    ("vmdk", "extents", lambda image: image.replace(b" SPARSE ", b" FLAT   ")),
    ("vmdk", "extents", lambda image: image.replace(b'"made.vmdk"', b'"/made.mdk"')),
    ("vmdk", "extents", lambda image: image.replace(b"# The Disk Data Base", b'rw 8 FLAT "/secret"\n')),
    ("vmdk", "parent", lambda image: image.replace(b"parentCID=ffffffff", b"parentCID=12345678")),
    ("vmdk", "parent", lambda image: image.replace(b"# The Disk Data Base", b'parentFileNameHint=".')),
    ("streams", "parent", lambda image: put(image, 6000, b'parentfileNAMEhint="/etc/shadow"')),
    ("flat", "extents", lambda image: image),
    ("vdi", "parent", lambda image: little(image, 76, 4)),
    ("vdi", "parent", lambda image: little(image, 430, 1)),
    ("vdi", "parent", lambda image: little(image, 445, 1)),
    ("vdi", "bad_header", lambda image: little(image, 368, 2**62, 8)),
    ("vdi", "bad_header", lambda image: little(image, 384, 2**32 - 1)),
    ("vdi", "bad_header", lambda image: little(image, 376, 512)),
    ("vdi", "unknown_format", lambda image: little(image, 68, 7)),
    ("vpc", "parent", lambda image: number(image, 60, 4)),
    ("vpc", "parent", lambda image: number(image, 512 + 40, 1)),
    ("vpc", "parent", lambda image: put(image, 512 + 64, "/etc/shadow".encode("utf-16-be"))),
    ("vpc", "parent", lambda image: number(image, 512 + 576, 1)),
    ("vpc", "bad_header", lambda image: number(image, 48, 2**62, 8)),
    ("vpc", "bad_header", lambda image: number(image, 16, 2**63, 8)),
    ("vpc", "bad_header", lambda image: number(image, 60, 2)),
    ("vhdx", "parent", lambda image: little(image, 3 * MIB + 65536 + 4, 2)),
    ("vhdx", "log", lambda image: put(image, 65536 + 48, b"\1" * 16)),
    ("vhdx", "log", lambda image: put(image, 131072 + 48, b"\1" * 16)),
    ("vhdx", "bad_header", lambda image: put(image, 262144, b"none")),
    ("vhdx", "bad_header", lambda image: little(image, 3 * MIB + 32 + 16, 2**32 - 1)),
    ("qed", "unknown_format", lambda image: image),
    ("parallels", "unknown_format", lambda image: image),
    ("qcow", "unknown_format", lambda image: image),
]


@pytest.mark.parametrize(("name", "reason", "change"), HARM)
def test_what_does_harm_is_refused(images: dict[str, bytes], name: str, reason: str, change: Change) -> None:
    assert why(change(images[name])) == reason


def test_a_vhdx_with_a_parents_place_is_refused(images: dict[str, bytes]) -> None:
    image, locator = images["vhdx"], bytes.fromhex("2d5fd3a80bb34d45abf7d3d84834ab0c")
    entry = 3 * MIB + 32
    assert why(put(image, entry, locator)) == "parent"
    assert why(put(image, entry, bytes(16))) == "unknown_feature"


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (text_vmdk(SECRET), "extents"),
        (b"version=1\n" + text_vmdk(SECRET), "extents"),
        (b"\n \r\n#x\n# DISK  descriptorfile\n", "extents"),
        (b"# " + b"x" * 400 + b"\n  \nversion=3\r\n", "extents"),
        (hollow_vmdk(SECRET), "extents"),
        (b"COWD" + bytes(512), "unknown_format"),
        (b"LUKS\xba\xbe" + bytes(512), "encrypted"),
        (b"QED\0" + bytes(512), "unknown_format"),
        (b"OOOM" + bytes(512), "unknown_format"),
        (b"Bochs Virtual HD Image" + bytes(512), "unknown_format"),
        (b"QFI\xfb", "bad_header"),
        (b"QFI\xfb\0\0\0\3", "bad_header"),
        (b"vhdxfile", "bad_header"),
    ],
)
def test_other_harm_is_refused_and_is_not_raw(image: bytes, reason: str) -> None:
    assert why(image) == reason
    with pytest.raises(RefusedImage) as refused:
        require(image, "raw", size=len(image))
    assert refused.value.params == {"reason": "other_format"}


def test_the_beginning_must_be_there(images: dict[str, bytes]) -> None:
    assert why(bytes(100), size=101) == "cut_off"
    assert judge(bytes(ENOUGH), size=2**60) == "raw"
    for format in ("qcow2", "vmdk", "vdi", "vpc", "vhdx"):
        for length in (8, 16, 68, 72, 100, 500):
            if length >= 68 or format != "vdi":
                assert why(images[format][:length], size=length) in ("bad_header", "parent", "extents")


def test_a_fixed_vhd_is_raw_to_who_looks_at_its_beginning(images: dict[str, bytes]) -> None:
    assert judge(first(images["fixed"]), size=len(images["fixed"])) == "raw"


def said(image: bytes, size: int) -> str:
    """What comes out of it; any other error goes on."""
    try:
        return judge(image, size=size)
    except RefusedImage as refused:
        return str(refused.params["reason"])


@given(
    st.binary(max_size=4096), st.integers(0, 2**64), st.sampled_from([b"QFI\xfb\0\0\0\3", b"KDMV", b"conectix", b""])
)
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_raise_nothing_else(data: bytes, size: int, magic: bytes) -> None:
    assert said(magic + data, size)
    for format in FORMATS:
        try:
            require(magic + data, format, size=size)
        except RefusedImage:
            continue
        assert judge(magic + data, size=size) in (format, "iso")


@given(st.randoms(use_true_random=False), st.sampled_from(["qcow2", "wide", "vmdk", "streams", "vdi", "vpc", "vhdx"]))
@settings(max_examples=300, deadline=None)
def test_changed_headers_raise_nothing_else(images: dict[str, bytes], chance: random.Random, name: str) -> None:
    image = bytearray(first(images[name]))
    places = {"vhdx": (65536, 3 * MIB, 3 * MIB + 65536)}.get(name, (0, 0, 512))
    for _ in range(chance.randint(1, 12)):
        at = chance.choice(places) + chance.randrange(512)
        if at < len(image):
            image[at] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    assert said(bytes(image), len(image))


@pytest.mark.parametrize("compat", ["0.10", "1.1"])
def test_a_layer_is_one_over_what_it_is_known_to_lie_over(tmp_path: Path, compat: str) -> None:
    path = tmp_path / "layer"
    words = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-o", f"compat={compat}"]
    subprocess.run([*words, "-F", "raw", "-b", "/pool/base", str(path), "8M"], check=True, timeout=60)
    image = path.read_bytes()
    require(image, "qcow2", size=len(image), over=("/pool/base", "raw"))
    for over in (None, ("/pool/bas", "raw"), ("/pool/base2", "raw"), ("/pool/base", "qcow2"), ("", "raw")):
        with pytest.raises(RefusedImage):
            require(image, "qcow2", size=len(image), over=over)
    # Without a format QEMU would look what the file below is.
    subprocess.run([*words, str(path), "8M"], check=True, timeout=60)
    silent = qcow2_over(path.read_bytes(), "/pool/base")
    with pytest.raises(RefusedImage):
        require(silent, "qcow2", size=len(silent), over=("/pool/base", "raw"))


def test_what_stands_by_itself_is_no_layer(images: dict[str, bytes]) -> None:
    for name, format in (("qcow2", "qcow2"), ("vmdk", "vmdk")):
        with pytest.raises(RefusedImage):
            require(first(images[name]), format, size=len(images[name]), over=("/pool/base", "raw"))
    with pytest.raises(RefusedImage):
        require(bytes(MIB), "raw", size=MIB, over=("/pool/base", "raw"))
