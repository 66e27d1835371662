"""What libosinfo's data adds to our own table, by a small one that is made here as its files are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.osdata.test_osdata import iso
from vms.osdata import LINUX, UNKNOWN, Label, Size, System, find_system, look_in, recognise, systems, tell
from vms.osdata.systems import FOLDERS

PCI = "http://pcisig.com/pci/"
OLD = f"""
<os id="http://penguin.org/penguin/1">
  <short-id>penguin1</short-id><short-id>penguinold</short-id>
  <name>Penguin 1</name><name xml:lang="de">Pinguin 1</name><version>1</version><family>linux</family>
  <distro>penguin</distro><release-date>2010-02-03</release-date>
  <firmware arch="x86_64" type="efi"/>
  <media arch="x86_64"><iso><volume-id>^Penguin-1-</volume-id><system-id>LINUX</system-id></iso></media>
  <media arch="i686"><iso><volume-id>(?&lt;unclosed</volume-id></iso></media>
  <media arch="i686"><iso><publisher-id>.*</publisher-id></iso></media>
  <resources arch="all">
    <minimum><n-cpus>1</n-cpus><cpu>1000000000</cpu><ram>268435456</ram><storage>1073741824</storage></minimum>
    <recommended><ram>536870913</ram></recommended>
  </resources>
  <resources arch="x86_64"><minimum><ram>402653184</ram></minimum></resources>
  <devices>
    <device id="{PCI}1af4/1000"/><device id="{PCI}1af4/1001"/><device id="{PCI}dead/beef"/>
    <device id="http://qemu.org/chipset/x86/q35"/>
  </devices>
</os>"""
NEW = f"""
<os id="http://penguin.org/penguin/2">
  <short-id>penguin2</short-id><name>Penguin 2</name><family>linux</family><distro>penguin</distro>
  <derives-from id="http://penguin.org/penguin/1"/><derives-from id="http://penguin.org/penguin/2"/>
  <derives-from id="http://penguin.org/nobody"/>
  <release-date>2025-01-01</release-date><eol-date>2026-01-01</eol-date>
  <firmware arch="x86_64" type="bios" supported="false"/><firmware arch="aarch64" type="efi" supported="false"/>
  <devices><device id="{PCI}1af4/1041"/><device id="{PCI}1af4/1001" supported="false"/></devices>
</os>"""
PANE = """
<os id="http://example.org/pane"><short-id>pane</short-id><name>Pane</name><family>winnt</family>
  <release-status>rolling</release-status></os>"""
OURS = """
<os id="http://debian.org/debian/13"><short-id>debian13</short-id><name>Another name</name>
  <release-date>2025-08-09</release-date></os>"""

Put = Callable[..., None]


def write(folder: Path, name: str, text: str) -> Path:
    (folder / "os").mkdir(parents=True, exist_ok=True)
    (folder / "os" / f"{name}.xml").write_text(text)
    return folder


def whole(text: str) -> str:
    return f'<?xml version="1.0"?>\n<!-- theirs -->\n<libosinfo version="0.0.1">{text}</libosinfo>'


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    before = list(FOLDERS)
    for name, text in (("old", OLD), ("new", NEW), ("pane", PANE), ("ours", OURS)):
        write(tmp_path / "osinfo", name, whole(text))
    look_in([tmp_path / "nowhere", tmp_path / "osinfo"])
    yield tmp_path / "osinfo"
    look_in(before)


def of(id: str) -> System:
    found = find_system(id)
    assert found
    return found


def test_a_system_is_told_in_our_words(data: Path) -> None:
    old = of("penguin1")
    assert (old.name, old.version, old.family, old.kernel) == ("Penguin 1", "1", "penguin", "linux")
    assert (old.url, old.aliases, old.released) == ("http://penguin.org/penguin/1", ("penguinold",), date(2010, 2, 3))
    # That of x86_64 comes before that of all; nobody gives half a MiB less than is needed.
    assert (old.least, old.advised) == (Size(1, 384, 1), Size(2, 513, 2))
    assert (old.bios, old.uefi, old.needs_uefi, old.localtime) == (True, True, False, False)
    assert old.devices == {"virtio-net", "virtio-blk", "q35"}
    assert of("penguinold") is old and of(old.url) is old


def test_what_it_comes_from_is_inherited(data: Path) -> None:
    new = of("penguin2")
    assert new.devices == {"virtio-net", "virtio-1.0", "q35"}
    assert (new.uefi, new.bios, new.needs_uefi) == (True, False, True)
    assert new.least == Size(1, 384, 1)
    # Its old cards would not be seen on the new machine.
    assert (of("penguin1").q35, new.q35) == (False, True)


def test_the_clock_of_windows_is_local(data: Path) -> None:
    pane = of("pane")
    assert (pane.kernel, pane.localtime, pane.rolling, pane.least) == ("windows", True, True, Size())


def test_an_end_is_a_day_or_ten_years(data: Path) -> None:
    today = date(2026, 11, 26)
    assert {id: of(id).is_over(today) for id in ("penguin1", "penguin2", "pane", "debian13", "archlinux")} == {
        "penguin1": True, "penguin2": True, "pane": False, "debian13": False, "archlinux": False
    }  # fmt: skip
    assert not of("penguin2").is_over(date(2026, 1, 1))


def test_our_own_table_is_right_and_comes_first(data: Path) -> None:
    assert of("debian13").name == "Debian 13"
    known = list(systems())
    assert known.index("generic") < known.index("penguin2") < known.index("penguin1")


def test_a_later_folder_adds_and_is_right(data: Path, tmp_path: Path) -> None:
    site = whole('<os id="http://penguin.org/penguin/2"><name>Our penguin</name></os>' + PANE.replace("pane", "window"))
    look_in([*FOLDERS, write(tmp_path / "site", "penguin", site)])
    assert (of("penguin2").name, of("penguin2").q35) == ("Our penguin", True)
    assert of("window").url == "http://example.org/window"


@pytest.mark.parametrize(
    "text",
    [
        "", "<libosinfo>", "<other><os id='x'><short-id>x</short-id><name>X</name></os></other>",
        '<!DOCTYPE x [<!ENTITY f SYSTEM "/etc/hostname">]>' + whole("<os id='x'><short-id>x</short-id></os>"),
        whole("<os><short-id>x</short-id><name>X</name></os>"), whole("<os id='x'><name>X</name></os>"),
        whole("<os id='x'><short-id>x</short-id></os>"),
        whole("<os id='x'><short-id>x</short-id><name>X</name></os>" + "<!---->" * 200_000),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_it_tells_nothing(text: str, data: Path) -> None:
    write(data, "x", text)
    (data / "os" / "bytes.xml").write_bytes(b"\xff\xfe\0")
    (data / "os" / "dangling.xml").symlink_to("nowhere")
    look_in([data])
    assert find_system("x") is None
    assert of("penguin2")


def test_it_recognises_isos_that_we_do_not(data: Path) -> None:
    assert recognise(Label("Penguin-1-dvd", "LINUX", "", "", True)) == ("penguin1", "x86_64")
    assert recognise(Label("Penguin-1-dvd", "OTHER", "", "", True)) == ("", "")
    # Nor does what only says who made it, nor what cannot be read, make anything of a disk without a label.
    assert recognise(Label("cidata", "LINUX", "SOMEBODY", "", True)) == ("", "")
    assert recognise(Label("Debian 13.0.0 amd64 n", "", "", "", True)) == ("debian13", "x86_64")


def test_of_two_with_one_label_its_file_tells_which() -> None:
    first = iso("CCCOMA_X64FRE_EN-US_DV9")
    assert tell(first, "Win10_22H2_English_x64.iso") == ("win10", "x86_64")
    assert tell(first, "Win11_24H2_English_x64.iso") == ("win11", "x86_64")
    assert tell(first, "windows.iso") == ("win11", "x86_64")


def test_our_own_table_is_enough() -> None:
    before = list(FOLDERS)
    look_in([])
    try:
        for system in systems().values():
            if system.kernel:
                assert system.least.cpus and system.least.memory_mib and system.least.disk_gib, system.id
                assert system.advised.cpus >= system.least.cpus
                assert system.advised.memory_mib >= system.least.memory_mib
                assert system.advised.disk_gib >= system.least.disk_gib
                assert system.url.startswith("http://")
        eleven = of("win11")
        assert eleven.tpm and eleven.secure_boot and eleven.needs_uefi and eleven.localtime
        assert "virtio-blk" in eleven.drivers and "virtio-blk" not in eleven.devices
        assert of(LINUX).q35 and "virtio-gpu" in of(LINUX).devices
        assert of(UNKNOWN).devices == frozenset() and not of(UNKNOWN).q35
        assert [system.id for system in systems().values() if system.tpm] == ["win11"]
    finally:
        look_in(before)
