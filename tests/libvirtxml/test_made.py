"""What we add or make is valid by libvirt's own schemas."""

from __future__ import annotations

import pytest

from vms.libvirtxml import DomainXML, add_serial, add_vnc_screen, faults, network_document, pool_document

HEAD = "<name>a</name><memory>1024</memory>"
SPICE = "<graphics type='spice'><listen type='none'/></graphics>"
VIDEO = "<video><model type='qxl'/></video>"


def domain(devices: str, arch: str = "x86_64") -> DomainXML:
    return DomainXML.parse(
        f"<domain type='qemu'>{HEAD}<os><type arch='{arch}'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def test_a_screen_is_added_beside_spice() -> None:
    document = domain(SPICE + VIDEO)
    assert add_vnc_screen(document)
    assert document.text.endswith(
        '<devices><graphics type="spice"><listen type="none"/></graphics>'
        '<graphics type="vnc"><listen type="none"/></graphics>'
        '<video><model type="qxl"/></video></devices></domain>'
    )
    assert faults(document.text) == []


@pytest.mark.parametrize(("arch", "model"), [("x86_64", "vga"), ("aarch64", "virtio")])
@pytest.mark.parametrize("before", ["", "<video><model type='none'/></video>"])
def test_a_video_card_comes_with_it_where_there_is_none(arch: str, model: str, before: str) -> None:
    document = domain(before, arch)
    assert add_vnc_screen(document)
    assert document.text.count("<video>") == 1
    assert f'<video><model type="{model}"/></video>' in document.text
    assert faults(document.text) == []


def test_a_second_vnc_screen_is_not_added() -> None:
    document = domain("<graphics type='vnc' passwd='x'/>")
    before = document.text
    assert not add_vnc_screen(document)
    assert document.text == before


def test_the_documents_of_get_it_ready_are_valid() -> None:
    assert faults(network_document("default", "192.168.122")) == []
    assert faults(pool_document("default", "/var/lib/libvirt/images")) == []


def test_a_fault_is_told_with_its_line() -> None:
    found = faults("<domain type='qemu'>\n<name>a</name>\n<memory>1</memory>\n<nonsense/>\n</domain>")
    assert found


def test_names_cannot_break_out_of_a_document() -> None:
    text = pool_document("</name><evil/>", "/tmp/<x>")
    assert "<evil/>" not in text


def test_a_serial_line_is_added_behind_those_that_cannot_be_opened() -> None:
    document = domain("<serial type='file'><source path='/log'/></serial><sound model='ich9'/>")
    assert add_serial(document)
    assert document.text.endswith(
        '<devices><serial type="file"><source path="/log"/></serial><serial type="pty"/>'
        '<sound model="ich9"/></devices></domain>'
    )
    assert faults(document.text) == []
    before = document.text
    assert not add_serial(document)
    assert document.text == before


def test_a_serial_line_for_a_vm_without_devices() -> None:
    document = domain("")
    assert add_serial(document)
    assert document.serials == ["serial0"]
    assert faults(document.text) == []
