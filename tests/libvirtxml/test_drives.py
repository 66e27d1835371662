"""cloud-init's disc in definitions that are there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.libvirtxml.test_compose import wish
from vms.kinds.seeds import WRITE_SEED
from vms.libvirtxml import (
    DomainXML,
    Drive,
    Given,
    Machine,
    add_seed,
    compose,
    difference,
    faults,
    uncovered,
    without,
)

DISC = Drive("default", "web-seed.iso", "raw", cd=True, seed=True)


def made(guest: str, machine: Machine, *, seed: bool = False) -> DomainXML:
    plain = wish(guest, "bios", "iso")
    return compose(replace(plain, drives=(*plain.drives, *([DISC] if seed else []))), machine)


@pytest.mark.parametrize(
    ("guest", "machine", "bus"),
    [
        ("debian", Machine(True), "scsi"), ("debian", Machine(True, machine="pc"), "scsi"),
        ("debian", Machine(True, "aarch64", "virt"), "scsi"), ("windows", Machine(True), "sata"),
        ("windows", Machine(True, machine="pc"), "ide"),
    ],
)  # fmt: skip
def test_it_is_where_its_system_has_a_driver(guest: str, machine: Machine, bus: str) -> None:
    """In a new definition, and in one that is there."""
    there = made(guest, machine)
    before = there.text
    add_seed(there, "default", "web-seed.iso")
    for document in (there, made(guest, machine, seed=True)):
        drive = document.drive("default/web-seed.iso")
        assert drive is not None and drive.bus == bus and drive.format == "raw"
        models = [one.get("model") for one in document.devices.findall("controller[@type='scsi']")]
        assert models == (["virtio-scsi"] if bus == "scsi" else [])
        assert len({disk.target for disk in document.disks}) == 3
        assert faults(document.text) == []
    needs = difference(before, without(there.text, Given(volumes={("default", "web-seed.iso"): "raw"})))
    assert uncovered(needs, frozenset(WRITE_SEED.privileges)) == []
    assert [need.place for need in uncovered(difference(before, there.text), frozenset(WRITE_SEED.privileges))]


def test_a_controller_that_is_there_is_used_or_left_alone() -> None:
    document = made("debian", Machine(True), seed=True)
    add_seed(document, "default", "other.iso")
    assert len(document.devices.findall("controller[@type='scsi']")) == 1
    document.devices.findall("controller[@type='scsi']")[0].set("model", "lsilogic")
    add_seed(document, "default", "third.iso")
    drive = document.drive("default/third.iso")
    assert drive is not None and drive.bus == "sata"


def test_a_definition_without_a_disk_gets_it_too() -> None:
    document = DomainXML.parse("<domain><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os></domain>")
    for number in range(30):
        add_seed(document, "default", f"{number}.iso")
    names = [disk.target for disk in document.disks]
    assert (names[0], names[25], names[26], names[29]) == ("sda", "sdz", "sdaa", "sdad")
