"""Definitions made after others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vms.kinds.clone import CLONE
from vms.libvirtxml import Card, Changes, DomainXML, Drive, Given, cloned, difference, drives_of, system_of, without

UUID = "00000000-1111-2222-3333-444444444444"
MAC = "52:54:00:00:00:07"
OSINFO = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
SOURCE = f"""<domain type="kvm" id="7">
<name>old</name><uuid>99999999-1111-2222-3333-444444444444</uuid><genid>99999999-1111-2222-3333-444444444445</genid>
<title>the old one</title><description>kept</description>
<metadata><libosinfo:libosinfo xmlns:libosinfo="{OSINFO}"><libosinfo:os id="http://debian.org/debian/12"/>
</libosinfo:libosinfo><a:app xmlns:a="http://a.example"><a:token>secret</a:token></a:app></metadata>
<memory unit="KiB">1048576</memory><vcpu placement="static">2</vcpu>
<os firmware="efi"><type arch="x86_64" machine="pc-q35-7.2">hvm</type>
<firmware><feature enabled="yes" name="secure-boot"/></firmware>
<loader readonly="yes" secure="yes" type="pflash">/usr/share/OVMF/OVMF_CODE_4M.ms.fd</loader>
<nvram template="/usr/share/OVMF/OVMF_VARS_4M.ms.fd">/var/lib/libvirt/qemu/nvram/old_VARS.fd</nvram></os>
<features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type="file" device="disk"><driver name="qemu" type="raw" cache="none"/><source file="/images/old"/>
<backingStore/><target dev="vda" bus="virtio"/><wwn>5000c50015ea71aa</wwn><boot order="1"/></disk>
<disk type="file" device="disk"><driver name="qemu" type="raw"/><source file="/images/all"/>
<target dev="vdb" bus="virtio"/><shareable/></disk>
<disk type="file" device="disk"><driver name="qemu" type="raw"/><source file="/images/gone"/>
<target dev="vdc" bus="virtio"/></disk>
<disk type="file" device="cdrom"><driver name="qemu" type="raw"/><source file="/images/cd"/>
<target dev="sda" bus="sata"/><readonly/></disk>
<interface type="network"><mac address="52:54:00:aa:aa:aa"/><source network="lan" portgroup="x"/>
<model type="virtio"/><filterref filter="weak"/></interface>
<interface type="bridge"><mac address="52:54:00:bb:bb:bb"/><source bridge="br0"/><target dev="tap7"/></interface>
<graphics type="vnc" port="5901" autoport="no" listen="0.0.0.0" passwd="letmein">
<listen type="address" address="0.0.0.0"/></graphics>
<tpm model="tpm-crb"><backend type="emulator" version="2.0"/></tpm></devices></domain>"""
CHANGES = Changes(
    name="new",
    uuid=UUID,
    drives={"vda": Drive("ssd", "new.qcow2", "qcow2"), "vdb": Drive("ssd", "all", "raw"), "sda": None},
    cards=[Card("default", MAC), None],
    listen="none",
    emulator="/usr/bin/qemu-system-x86_64",
)
GIVEN = Given(
    volumes={("ssd", "new.qcow2"): "qcow2", ("ssd", "all"): "raw"},
    networks=frozenset({"default"}),
    macs=frozenset({MAC}),
    uuid=UUID,
    system="http://debian.org/debian/12",
    shared=frozenset({("ssd", "all")}),
)


@pytest.fixture
def source() -> DomainXML:
    return DomainXML.parse(SOURCE)


def test_nothing_of_the_other_is_left_but_its_machine(source: DomainXML) -> None:
    made = cloned(source, CHANGES)
    for other in (
        "9999", "the old one", "secret<", "letmein", "nvram", "OVMF", "<emulator", "/images", "wwn", "aa:aa", "bb:bb",
        "portgroup", "weak", "0.0.0.0", "5901", "br0", "vdc",
    ):  # fmt: skip
        assert other not in made.text, other
    assert (made.name, made.uuid, made.description, made.vcpus) == ("new", UUID, "kept", 2)
    assert system_of(made) == "http://debian.org/debian/12"
    assert [(disk.target, disk.source, disk.format) for disk in made.disks] == [
        ("vda", "ssd/new.qcow2", "qcow2"), ("vdb", "ssd/all", "raw"), ("sda", "", "raw"),
    ]  # fmt: skip
    assert made.macs == [MAC] and made.networks == ["default"]
    assert made.firmware == "efi" and 'name="secure-boot"' in made.text
    assert 'cache="none"' in made.text and 'order="1"' in made.text
    assert source.text == DomainXML.parse(SOURCE).text


def test_what_rows_give_and_an_owner_may_is_enough_for_it(source: DomainXML) -> None:
    needs = difference(None, without(cloned(source, CHANGES).text, GIVEN))
    assert {need.privilege for need in needs} <= set(CLONE.privileges), needs


@pytest.mark.parametrize(
    "given",
    [
        replace(GIVEN, volumes={("ssd", "new.qcow2"): "raw", ("ssd", "all"): "raw"}),
        replace(GIVEN, shared=frozenset()),
        replace(GIVEN, uuid=""), replace(GIVEN, macs=frozenset()), replace(GIVEN, networks=frozenset()),
    ],
)  # fmt: skip
def test_what_no_row_gives_needs_the_right_to_define(source: DomainXML, given: Given) -> None:
    needs = difference(None, without(cloned(source, CHANGES).text, given))
    assert "vm.define" in {need.privilege for need in needs}


def test_a_card_that_stays_has_another_address(source: DomainXML) -> None:
    made = cloned(source, replace(CHANGES, cards=[None, MAC]))
    assert made.macs == [MAC] and "br0" in made.text and "tap7" not in made.text


def test_another_emulator_stays_and_is_judged(source: DomainXML) -> None:
    made = cloned(source, replace(CHANGES, emulator="/usr/bin/kvm"))
    needs = difference(None, without(made.text, GIVEN))
    assert "devices/emulator" in {need.place for need in needs if need.privilege == "vm.define"}


def test_firmware_by_its_files_becomes_firmware_by_its_sort(source: DomainXML) -> None:
    text = SOURCE.replace(' firmware="efi"', "").replace("<firmware>", "<!--").replace("</firmware>", "-->")
    made = cloned(DomainXML.parse(text), CHANGES)
    assert made.firmware == "efi" and made.loader is None and 'name="secure-boot"' in made.text


def test_its_drives_are_told(source: DomainXML) -> None:
    told = [(drive.target, drive.medium, drive.shared, drive.source[:2]) for drive in drives_of(source)]
    assert told == [
        ("vda", False, False, ["path", "/images/old"]), ("vdb", False, True, ["path", "/images/all"]),
        ("vdc", False, False, ["path", "/images/gone"]), ("sda", True, True, ["path", "/images/cd"]),
    ]  # fmt: skip
