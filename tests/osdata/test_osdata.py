from __future__ import annotations

import hashlib
import os
import re
from collections import Counter

import pytest

from vms.osdata import (
    CATALOGUE,
    Checksum,
    Label,
    by_file_name,
    find,
    is_cloud_image,
    read,
    read_label,
    recognise,
    systems,
)
from vms.osdata.iso import ENOUGH
from vms.services.addresses import parse

A, B = hashlib.sha256(b"a").hexdigest(), hashlib.sha256(b"b").hexdigest()
LONG = hashlib.sha512(b"a").hexdigest()
NAME = "debian-13-genericcloud-amd64.qcow2"


def iso(volume: str, *, bootable: bool = True) -> bytes:
    """The beginning of an ISO with that label."""
    primary = bytearray(2048)
    primary[0:6] = b"\x01CD001"
    primary[8:40] = b"LINUX".ljust(32)
    primary[40:72] = volume.encode().ljust(32)
    boot = b"\x00CD001\x01EL TORITO SPECIFICATION".ljust(2048, b"\0") if bootable else b""
    return bytes(32768) + bytes(primary) + boot + b"\xffCD001\x01".ljust(2048, b"\0") + bytes(2048 * 13)


@pytest.mark.parametrize(
    "text",
    [
        f"{B}  other.qcow2\n{A}  {NAME}\n",
        f"{A} *{NAME}\r\n{B} *other.qcow2\r\n",
        f"{A}  ./{NAME}\n",
        f"{A.upper()}  {NAME}",
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# {NAME}: 5 bytes\nSHA256 ({NAME}) = {A}\n"
        f"SHA256 (other.qcow2) = {B}\n-----BEGIN PGP SIGNATURE-----\n\niQ\n",
        f"MD5 ({NAME}) = {A[:32]}\nSHA1 ({NAME}) = {A[:40]}\nSHA256 ({NAME}) = {A}\n",
        f"{A}\n",
        f"{A[:32]}  {NAME}\n{A[:40]}  {NAME}\n{A}  {NAME}\n",
    ],
)
def test_a_checksum_is_found_in_each_form(text: str) -> None:
    assert find(text, NAME) == Checksum("sha256", A)


def test_the_longer_of_two_checksums_is_taken() -> None:
    assert find(f"{A}  {NAME}\n{LONG}  {NAME}\n", NAME) == Checksum("sha512", LONG)


@pytest.mark.parametrize(
    "text",
    ["", f"{A}  other\n", f"{A}  {NAME}\n{B}  {NAME}\n", f"{A}  {NAME}.asc\n", f"{A}  x{NAME}\n", f"{A[:40]}  {NAME}\n",
     f"SHA256 ({NAME}) = {A[:63]}\n", "<html>Not found</html>", f"{A}{NAME}", "\0" * 1000],
)  # fmt: skip
def test_what_is_no_checksum_of_the_file_is_none(text: str) -> None:
    assert find(text, NAME) is None


def test_one_that_is_given_is_read() -> None:
    assert str(read(f" SHA256:{A.upper()}\n")) == f"sha256:{A}"
    assert read(LONG) == Checksum("sha512", LONG)
    for wrong in ("", "sha256:", f"sha512:{A}", f"md5:{A}", A[:-1], "g" * 64, f"{A}  {NAME}", "٣" * 64):
        assert read(wrong) is None


def test_each_image_of_the_catalogue_can_be_asked_for() -> None:
    for entry in CATALOGUE.values():
        address = parse(entry.url)
        assert (address.scheme, address.port, address.url) == ("https", 443, entry.url)
        assert entry.os in systems()
        assert entry.arch in ("x86_64", "aarch64")
        assert entry.kind == ("iso" if entry.file_name.endswith(".iso") else "disk")
        assert not entry.checksum_url or parse(entry.checksum_url).host == address.host
        assert is_cloud_image(entry.file_name) == (entry.kind == "disk"), entry.file_name
        found = by_file_name(entry.file_name)
        assert found[0] in (entry.os, "") and found[1] in (entry.arch, "")
    assert Counter(entry.url for entry in CATALOGUE.values()).most_common(1)[0][1] == 1
    # The one that is published without.
    assert [entry.id for entry in CATALOGUE.values() if not entry.checksum_url] == ["virtio-win"]
    families = {systems()[entry.os].family for entry in CATALOGUE.values()}
    assert families == {
        "debian", "ubuntu", "fedora", "almalinux", "rocky", "opensuse", "alpine", "arch", "windows"
    }  # fmt: skip


def test_systems_have_ids_and_names_of_their_own() -> None:
    assert len({system.name for system in systems().values()}) == len(systems())
    assert all(re.fullmatch(r"[a-z0-9.-]+", system.id) for system in systems().values())


@pytest.mark.parametrize(
    ("volume", "os_id", "arch"),
    [
        ("Debian 12.5.0 amd64 n", "debian12", "x86_64"), ("Debian 13.0.0 arm64 1", "debian13", "aarch64"),
        ("Ubuntu-Server 24.04.1 LTS amd64", "ubuntu24.04", "x86_64"),
        ("Ubuntu 26.04 LTS amd64", "ubuntu26.04", "x86_64"),
        ("Fedora-S-dvd-x86_64-43", "fedora43", "x86_64"), ("Fedora-WS-Live-42", "fedora42", ""),
        ("Fedora-S-dvd-x86_64-420", "", "x86_64"), ("AlmaLinux-10-0-x86_64-dvd", "almalinux10", "x86_64"),
        ("Rocky-9-4-x86_64-dvd", "rocky9", "x86_64"), ("openSUSE-Leap-15.6-DVD-x86_64", "opensuse15.6", "x86_64"),
        ("alpine-virt 3.22.1 x86_64", "alpinelinux3.22", "x86_64"), ("ARCH_202511", "archlinux", ""),
        ("virtio-win-0.1.285", "virtio-win", ""), ("cidata", "", ""), ("", "", ""),
    ],
)  # fmt: skip
def test_an_iso_is_recognised_by_its_label(volume: str, os_id: str, arch: str) -> None:
    label = read_label(iso(volume))
    assert label and label.bootable and label.volume == volume
    assert recognise(label) == (os_id, arch)


@pytest.mark.parametrize("name", ["debian-13.qcow2", "web-01.img", "cloud.img", "nextcloud-data.qcow2", "generic", ""])
def test_what_may_be_a_vms_disk_is_no_cloud_image(name: str) -> None:
    assert not is_cloud_image(name)


def test_what_is_no_iso_has_no_label() -> None:
    whole = iso("Debian 12.5.0 amd64 n")
    assert len(whole) == ENOUGH
    label = read_label(iso("cidata", bootable=False))
    assert label is not None and not label.bootable
    for cut in (b"", whole[:32768], whole[: 32768 + 100], os.urandom(ENOUGH), bytes(ENOUGH)):
        assert read_label(cut) is None


def test_a_label_holds_nothing_that_no_screen_shows() -> None:
    data = bytearray(iso("x"))
    data[32768 + 40 : 32768 + 72] = b"a\0b\x1b[31m\xff\r\n" + b" " * 21
    label = read_label(bytes(data))
    assert label and label.volume.isprintable() and "\x1b" not in label.volume


def test_long_texts_are_read_in_no_time() -> None:
    for text in ("Fedora-" + "a-" * 50_000, "alpine-" * 20_000):
        assert recognise(Label(text, "", "", "", True))[0] == ""
        assert by_file_name(text)[1] == ""
