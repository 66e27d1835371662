"""New definitions: valid, within what an owner may, and close to virt-install's own for the same wish.

golden/virt-install holds what virt-install 4.1.0 (Debian 12) prints for the last step of an installation, on a host
with KVM, UEFI with secure boot and swtpm: `virt-install --memory 4096 --vcpus 2 --osinfo debian11|win11|alpinelinux3.17
--network network=default --graphics vnc --print-xml` with `--cdrom`, `--import` or `--pxe`, and for secure boot
`--boot firmware=efi,firmware.feature0.name=secure-boot,...`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Final

import pytest

from vms.kinds.privileges import role_privileges
from vms.libvirtxml import (
    FIRMWARES,
    PLAIN,
    Card,
    DomainXML,
    Drive,
    Firmware,
    Given,
    Guest,
    Machine,
    Wanted,
    compose,
    difference,
    faults,
    new_mac,
    parse,
    uncovered,
    without,
)
from vms.libvirtxml.difference.canonical import Node, canonical

GOLDEN: Final = Path(__file__).with_name("golden") / "virt-install"
UUID: Final = "00000000-1111-2222-3333-444444444444"
MAC: Final = "00:11:22:33:44:55"
GUESTS: Final = {
    "debian": Guest(id="http://debian.org/debian/11"),
    "windows": Guest(
        id="http://microsoft.com/win/11",
        virtio_disk=False,
        virtio_net=False,
        virtio=False,
        virtio_video=False,
        local_time=True,
        hyperv=True,
    ),
    "alpine": replace(PLAIN, id="http://alpinelinux.org/alpinelinux/3.17"),
}
BOOT: Final = {"iso": ("hd", "cdrom"), "import": ("hd",), "network": ("hd", "network")}
GIVEN: Final = Given(
    {("default", "disk"): "qcow2", ("default", "boot.iso"): "raw"}, frozenset({"default"}), frozenset({MAC}), UUID
)
# How ours may differ, and the decision that says why.
REASONS: Final = {
    "os/boot": "0070: one definition from the first start on, what it starts from later before what installs it",
    "devices/emulator": "0070: the host chooses its QEMU",
    "devices/disk": "0070: a volume in a pool, never a path; a CD stays in until it is ejected",
    "devices/disk/driver": "0054: the format is remembered",
    "devices/disk/source": "0070: a volume in a pool, never a path; a CD stays in until it is ejected",
    "devices/interface/filterref": "0070: an ordinary card is filtered",
    "devices/channel/source": "0070: libvirt chooses the socket",
    "devices/memballoon/stats": "0104: a guest that is never asked tells nothing of its memory",
    "devices/graphics/listen": "0010: the browser's screen needs no port",
}


def wish(guest: str, firmware: Firmware, way: str) -> Wanted:
    drives = [Drive("default", "disk", "qcow2")]
    if way == "iso":
        drives.append(Drive("default", "boot.iso", "raw", cd=True))
    return Wanted(
        name=guest, uuid=UUID, vcpus=2, memory_kib=4 << 20, guest=GUESTS[guest], firmware=firmware,
        drives=tuple(drives), cards=(Card("default", MAC),), boot=BOOT[way], tpm=firmware != "bios",
    )  # fmt: skip


def own(node: Node) -> tuple[dict[str, str], str]:
    return dict(node.attributes), node.text


def differing(place: str, theirs: Node | None, ours: Node | None) -> Iterator[str]:
    """The place of each element that only one of them has, or that is another in the other."""
    if theirs is None or ours is None or own(theirs) != own(ours):
        yield place
    tags = {child.tag: None for node in (theirs, ours) if node for child in node.children}
    for tag in tags:
        pairs = zip_longest(theirs.named(tag) if theirs else [], ours.named(tag) if ours else [])
        for one, other in pairs:
            yield from differing(f"{place}/{tag}".lstrip("/"), one, other)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.xml")), ids=lambda path: path.stem)
def test_ours_is_virt_installs_but_for_what_was_decided(path: Path) -> None:
    guest, asked, way = path.stem.split("-")
    firmware: Firmware = {"bios": "bios", "uefi": "efi"}.get(asked, "secure")  # type: ignore[assignment]
    ours = compose(wish(guest, firmware, way), Machine(kvm=True))
    found = list(differing("", canonical(parse(path.read_text())), canonical(ours.element)))
    assert len(found) <= 11, found
    assert not [place for place in found if place not in REASONS]


def test_there_are_twelve_wishes() -> None:
    assert len(list(GOLDEN.glob("*.xml"))) == 12


@pytest.mark.parametrize("machine", ["q35", "pc", "virt"])
@pytest.mark.parametrize("kvm", [True, False])
@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize("guest", GUESTS)
def test_what_is_made_is_valid_and_an_owners(guest: str, firmware: Firmware, kvm: bool, machine: str) -> None:
    arch = "aarch64" if machine == "virt" else "x86_64"
    for way in BOOT:
        made = compose(wish(guest, firmware, way), Machine(kvm, arch, machine))
        assert faults(made.text) == []
        given = replace(GIVEN, system=GUESTS[guest].id)
        needs = difference(None, without(made.text, given))
        assert uncovered(needs, role_privileges("owner")) == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('pool="default" volume="disk"', 'pool="default" volume="others"', "devices/disk[vda]"),
        ('volume="disk"', 'volume="disk" mode="host"', "devices/disk[vda]"),
        ('type="qcow2"', 'type="raw"', "devices/disk[vda]"),
        ('<disk type="volume"', '<disk type="file"', "devices/disk[vda]"),
        ('network="default"', 'network="others"', "devices/interface"),
        ('network="default"', 'network="default" portgroup="all"', "devices/interface"),
        ('<filterref filter="clean-traffic"/>', "", "devices/interface"),
        ('filter="clean-traffic"', 'filter="no-arp-spoofing"', "devices/interface"),
        (MAC, "52:54:00:00:00:01", "devices/interface"),
        (UUID, "00000000-1111-2222-3333-000000000000", "uuid"),
        ("http://debian.org/debian/11", "$(reboot)", "metadata"),
        ("<devices>", "<devices><emulator>/bin/sh</emulator>", "devices/emulator"),
    ],
)
def test_what_was_not_given_needs_the_right_to_define(old: str, new: str, place: str) -> None:
    text = compose(wish("debian", "efi", "iso"), Machine(kvm=True)).text
    changed = text.replace(old, new, 1)
    assert changed != text
    needs = difference(None, without(changed, replace(GIVEN, system=GUESTS["debian"].id)))
    missing = uncovered(needs, role_privileges("owner"))
    assert missing and missing[0].privilege == "vm.define" and missing[0].place.startswith(place), needs


def test_names_cannot_break_out() -> None:
    evil = "</name><devices><emulator>/bin/sh</emulator></devices>"
    made = compose(replace(wish("debian", "bios", "iso"), name=evil), Machine(kvm=False))
    assert DomainXML.parse(made.text).name == evil and made.element.find("devices/emulator") is None


def test_an_emulated_processor_is_no_hyper_v() -> None:
    made = compose(wish("windows", "secure", "iso"), Machine(kvm=False))
    assert "hyperv" not in made.text and made.type == "qemu"


def test_macs_are_of_the_range() -> None:
    macs = {new_mac() for _ in range(100)}
    assert len(macs) == 100 and all(mac.startswith("52:54:00:") and len(mac) == 17 for mac in macs)
