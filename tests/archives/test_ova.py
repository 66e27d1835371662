from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest
from lxml import etree

from tests.archives.packing import a, envelope, item, ova, sums, vmdk
from tests.archives.test_tar import packed
from tests.headers.images import made, qcow2_over, text_vmdk
from vms.archives import Ova, read_ova, read_parts, write_qcow2
from vms.errors import RefusedArchive, RefusedImage
from vms.headers import judge, looks, require

MIB: Final = 1 << 20
NAME: Final = "web-disk1.vmdk"


@pytest.fixture(scope="module")
def disk() -> bytes:
    content = bytearray(24 * MIB)
    for at in (0, 5 * MIB, 20 * MIB + 512):
        content[at : at + MIB] = Random(at).randbytes(MIB)
    return bytes(content)


@pytest.fixture(scope="module")
def image(disk: bytes, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return vmdk(tmp_path_factory.mktemp("ova"), disk)


def reading(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


def read(data: bytes) -> Ova:
    return read_ova(reading(data), len(data))


def described(capacity: str = "24", **disk: str) -> etree._Element:
    return envelope(files=None, capacity=capacity, capacityAllocationUnits="byte * 2^20", **disk)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_vm_and_where_its_disks_lie(image: bytes, disk: bytes, form: int) -> None:
    data = ova(described(), (NAME, image), form=form)
    assert looks(data) == judge(data[: 4 << 20], size=len(data)) == "ova"
    require(data[: 4 << 20], "raw", size=len(data))
    found = read(data)
    [source] = found.disks
    assert (found.vm.name, source.file, source.format, source.size_bytes) == ("web", NAME, "vmdk", len(disk))
    assert data[source.offset : source.offset + source.length] == image
    assert source.sum is not None and source.sum[0] == "sha256"
    written = bytearray(len(disk))
    for at, piece in read_parts(reading(data), source):
        written[at : at + len(piece)] = piece
    assert written == disk


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_any_usual_checksum(image: bytes, algorithm: str) -> None:
    text = etree.tostring(described(), xml_declaration=True, encoding="UTF-8")
    listed = sums(("web.ovf", text), (NAME, image), algorithm=algorithm)
    assert read(ova(described(), (NAME, image), listed=listed)).disks[0].sum is not None
    assert read(ova(described(), (NAME, image), listed=b"")).disks[0].sum is None


def test_an_empty_disk_and_one_that_is_qcow2(tmp_path: Path) -> None:
    root = described(format="http://www.gnome.org/~markmc/qcow-image-format.html")
    section, hardware = root.find("{*}DiskSection"), root.find(".//{*}VirtualHardwareSection")
    assert section is not None and hardware is not None
    section.append(etree.Element(f"{{{root.nsmap['ovf']}}}Disk", a(diskId="d2", capacity=str(MIB))))
    hardware.append(item(17, HostResource="ovf:/disk/d2"))
    image = made(tmp_path, "qcow2", size=24 * MIB)
    found = read(ova(root, (NAME, image)))
    assert [(each.format, each.size_bytes, each.length) for each in found.disks] == [
        ("qcow2", 24 * MIB, len(image)), ("", MIB, 0),
    ]  # fmt: skip
    data = ova(root, (NAME, image))
    assert b"".join(piece for _, piece in read_parts(reading(data), found.disks[0])) == image


def with_sizes(size: int) -> etree._Element:
    root = described()
    file = root.find("{*}References/{*}File")
    assert file is not None
    for key, value in a(size=str(size)).items():
        file.set(key, value)
    return root


def hostile(image: bytes, vdi: bytes) -> dict[str, tuple[bytes, str]]:
    """What each of them is refused for."""
    text = etree.tostring(described(), xml_declaration=True, encoding="UTF-8")
    entity = b'<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/shadow">]>' + text.partition(b"?>")[2]
    twice = envelope(item(17, HostResource="/disk/d1"), item(17, HostResource="/disk/d1"), capacity="24")
    good, other = ("web.ovf", text), (NAME, image)
    return {
        "nothing": (b"", "bad_archive"),
        "text": (b"x" * 2048, "bad_archive"),
        "empty": (packed(), "no_ovf"),
        "no description": (packed(other), "no_ovf"),
        "two descriptions": (packed(good, ("b.ovf", text), other), "several"),
        "two lists": (packed(good, ("a.mf", b""), ("b.mf", b""), other), "several"),
        "climbs": (packed(good, (f"../{NAME}", image)), "member"),
        "absolute": (packed(good, (f"/{NAME}", image)), "member"),
        "a link": (packed(good, other, type=tarfile.SYMTYPE, linkname="/etc/shadow"), "member"),
        "a hard link": (packed(good, other, type=tarfile.LNKTYPE, linkname="/etc/shadow"), "member"),
        "a device": (packed(good, other, type=tarfile.BLKTYPE), "member"),
        "sparse": (packed(good, other, type=tarfile.GNUTYPE_SPARSE), "member"),
        "twice": (packed(good, other, other), "twice"),
        "cut off": (packed(good, other)[: len(image) // 2], "cut_off"),
        "many": (packed(good, *((f"{n}.txt", b"") for n in range(70)), other), "many"),
        "entities": (packed(("web.ovf", entity), other), "bad_ovf"),
        "no text": (packed(("web.ovf", b"\xff\xfe" + text), other), "bad_ovf"),
        "a long description": (packed(("web.ovf", text + b" " * (2 << 20)), other), "bad_ovf"),
        "http": (ova(envelope(files={"f1": "http://example.org/x.vmdk"}), other), "elsewhere"),
        "a path": (ova(envelope(files={"f1": f"/var/lib/{NAME}"}), other), "elsewhere"),
        "another file": (packed(good, ("other.vmdk", image)), "elsewhere"),
        "one file for two disks": (ova(twice, other), "twice"),
        "a longer file": (ova(with_sizes(len(image) + 1), other), "size"),
        "a larger disk": (ova(described(capacity="23"), other), "size"),
        "a list that says otherwise": (packed(good, ("a.mf", sums(("web.ovf", b"other"))), other), "checksum"),
        "a list that is none": (packed(good, ("a.mf", b"MD5(web.ovf)= 00"), other), "sums"),
        "a list of what is not there": (packed(good, ("a.mf", sums(good, ("c", b""))), other), "elsewhere"),
        "a VDI": (ova(described(), (NAME, vdi)), "disk_kind"),
        "an archive in it": (ova(described(), (NAME, packed(good))), "disk_kind"),
        "no bytes": (ova(described(), (NAME, b"")), "disk_kind"),
    }  # fmt: skip


def test_hostile_archives_are_refused_and_say_why(image: bytes, tmp_path: Path) -> None:
    for name, (data, reason) in hostile(image, made(tmp_path, "vdi", size=MIB)).items():
        with pytest.raises(RefusedArchive) as refused:
            read(data)
        assert refused.value.params["reason"] == reason, name


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda image: text_vmdk("/etc/shadow"), "extents"),
        (lambda image: image.replace(b" SPARSE ", b" FLAT   ", 1), "extents"),
        (lambda image: image.replace(b"parentCID=ffffffff", b"parentCID=00000001", 1), "parent"),
    ],
)
def test_disks_that_name_other_files(image: bytes, change: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(RefusedImage) as refused:
        read(ova(described(), (NAME, change(image))))
    assert refused.value.params["reason"] == reason


def test_a_qcow2_over_a_file_of_the_host(tmp_path: Path) -> None:
    data = ova(described(format="qcow2"), (NAME, qcow2_over(made(tmp_path, "qcow2", size=MIB), "/etc/shadow")))
    with pytest.raises(RefusedImage):
        read(data)


def test_what_turned_into_another_disk_after_it_was_judged_is_not_copied(tmp_path: Path) -> None:
    """Somebody writes to the archive while it is imported."""
    image = made(tmp_path, "qcow2", size=24 * MIB)
    data = ova(described(format="qcow2"), (NAME, image))
    [source] = read(data).disks
    bad = data[: source.offset] + qcow2_over(image, "/etc/shadow") + data[source.offset + len(image) :]
    with pytest.raises(RefusedImage):
        list(read_parts(reading(bad), source))


def test_a_tar_that_is_another_image_too_is_neither() -> None:
    assert looks(b"QFI\xfb" + packed(("a.ovf", b""))[4:]) == "several"


@pytest.mark.parametrize("size", [MIB, 40 * MIB + 512, 3 << 30])
def test_a_disk_is_written_as_qcow2(size: int, tmp_path: Path) -> None:
    random = Random(size)
    parts, at = [], 0
    with (tmp_path / "raw").open("wb") as raw:
        raw.truncate(size)
        while (at := at + random.randrange(size // 200) // 512 * 512) < size - (1 << 18):
            data = random.randbytes(random.randrange(1, 300) * 512) if random.random() < 0.8 else bytes(1 << 16)
            parts.append((at, data))
            raw.seek(at)
            raw.write(data)
            at += len(data)
    told: list[tuple[int, int]] = []
    with (tmp_path / "made").open("wb") as out:
        for place, data in write_qcow2(parts, size):
            told.append((place, len(data)))
            out.seek(place)
            out.write(data)
    # Without holes, and its beginning at last.
    ends = [place + length for place, length in told]
    assert [place for place, _ in told[1:-1]] == ends[:-2] and told[-1] == (0, told[0][0])
    image = (tmp_path / "made").read_bytes()
    require(image[: 4 << 20], "qcow2", size=len(image))
    for words in (["check", "-q", "-f", "qcow2", "made"], ["compare", "-q", "-f", "qcow2", "-F", "raw", "made", "raw"]):
        subprocess.run(["qemu-img", *words], cwd=tmp_path, check=True, timeout=60)
