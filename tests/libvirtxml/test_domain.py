"""A document through lenses: what is read, what an edit changes, and that nothing else does."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from vms.libvirtxml import BadXML, DomainXML, glance, parse, serialize

GOLDEN = Path(__file__).with_name("golden")
TYPICAL = (GOLDEN / "typical-in.xml").read_text().rstrip("\n")


def test_it_reads_what_lists_show() -> None:
    domain = DomainXML.parse(TYPICAL)
    assert (domain.name, domain.title, domain.type, domain.arch) == ("web-01", "Shop & blog", "kvm", "x86_64")
    assert (domain.vcpus, domain.vcpus_current, domain.memory_kib) == (2, 1, 2 << 20)
    assert domain.macs == ["52:54:00:aa:bb:cc"]
    assert domain.networks == ["default"]
    assert [(screen.type, screen.listen, screen.port) for screen in domain.graphics] == [
        ("spice", "address", 5901),
        ("vnc", "none", None),
    ]
    assert [disk.source for disk in domain.disks] == ["boot.iso", "/var/lib/libvirt/images/web-01.qcow2"]


def test_it_gives_back_the_text_as_it_was() -> None:
    assert DomainXML.parse(TYPICAL).text == TYPICAL


def test_an_edit_changes_its_lines_and_no_other() -> None:
    domain = DomainXML.parse(TYPICAL)
    domain.vcpus = 7
    domain.title = "Shop"
    changed = [
        line for line in difflib.ndiff(TYPICAL.splitlines(), domain.text.splitlines()) if line.startswith(("+ ", "- "))
    ]
    assert changed == [
        "-   <title>Shop &amp; blog</title>",
        "+   <title>Shop</title>",
        '-   <vcpu placement="static" current="1">2</vcpu>',
        '+   <vcpu placement="static" current="1">7</vcpu>',
    ]


def test_a_lens_makes_what_is_missing_and_takes_away() -> None:
    domain = DomainXML.parse("<domain type='kvm'/>")
    assert (domain.name, domain.vcpus, domain.memory_kib, domain.disks) == (None, None, None, [])
    domain.machine = "q35"
    domain.memory_kib = 1024
    assert domain.text == '<domain type="kvm"><os><type machine="q35"/></os><memory unit="KiB">1024</memory></domain>'
    domain.machine = domain.memory_kib = None
    assert domain.text == '<domain type="kvm"><os><type/></os></domain>'


def test_text_is_read_across_comments_as_libvirt_reads_it() -> None:
    assert DomainXML.parse("<domain><name>a<!--x-->b</name></domain>").name == "ab"


@pytest.mark.parametrize("number", ["two", "", "1.5"])
def test_a_number_that_is_none_reads_as_absent(number: str) -> None:
    assert DomainXML.parse(f"<domain><vcpu>{number}</vcpu></domain>").vcpus is None


@pytest.mark.parametrize(
    ("unit", "kib"), [("b", 1), ("KB", 1000), ("MiB", 1 << 20), ("MB", 1_000_000), ("GiB", 1 << 30)]
)
def test_sizes_are_read_in_any_unit(unit: str, kib: int) -> None:
    assert DomainXML.parse(f"<domain><memory unit='{unit}'>1024</memory></domain>").memory_kib == kib


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>",
        "<!DOCTYPE domain SYSTEM 'file:///etc/hostname'><domain/>",
        "<?php evil?><domain/>",
        "<domain/><?php evil?>",
        "<domain><?php evil?></domain>",
        "<domain>",
        "",
        "<domain>\ud800</domain>",
        f"<domain><description>{'x' * (1 << 20)}</description></domain>",
        "<network/>",
    ],
)
def test_it_refuses_what_is_no_document(text: str) -> None:
    with pytest.raises(BadXML):
        DomainXML.parse(text)


def test_an_encoding_in_the_declaration_changes_nothing() -> None:
    assert DomainXML.parse("<?xml version='1.0' encoding='latin-1'?><domain><name>é</name></domain>").name == "é"


def test_the_glance_is_plain_json() -> None:
    seen = glance(DomainXML.parse(TYPICAL))
    assert seen["machine"] == "pc-q35-7.2"
    assert seen["interfaces"] == [
        {"mac": "52:54:00:AA:BB:CC", "type": "network", "source": "default", "model": "virtio"}
    ]
    assert (seen["clipboard"], seen["serial"], seen["video"]) == (False, False, True)


def test_a_vdagent_channel_carries_a_clipboard() -> None:
    channel = "<channel type='qemu-vdagent'><target type='virtio' name='com.redhat.spice.0'/></channel>"
    domain = DomainXML.parse(f"<domain><devices>{channel}</devices></domain>")
    assert domain.has_clipboard
    assert domain.channels == ["com.redhat.spice.0"]


NAMES = st.sampled_from(["a", "name", "devices", "{urn:alien}x", "disk"])
# What XML can hold at all; a carriage return would be normalised by the parser, as XML says.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=8)


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> etree._Element:
    element = etree.Element(draw(NAMES))
    element.text = draw(TEXT) or None
    for name in draw(st.lists(st.sampled_from(["k", "{urn:alien}k", "type"]), unique=True)):
        element.set(name, draw(TEXT))
    if depth:
        for child in draw(st.lists(trees(depth - 1), max_size=2)):
            child.tail = draw(TEXT)
            element.append(child)
    return element


@given(trees())
def test_any_document_comes_back_as_it_was(tree: etree._Element) -> None:
    text = serialize(tree)
    assert serialize(parse(text)) == text


SERIALS = {
    "nothing": ("", []),
    "libvirt's own pair": (
        "<serial type='pty'><alias name='serial0'/></serial>"
        "<console type='pty'><target type='serial'/><alias name='serial0'/></console>",
        ["serial0"],
    ),
    "the same before it runs": (
        "<serial type='pty'/><console type='pty'><target type='serial' port='0'/></console>",
        ["serial0"],
    ),
    "a file first": (
        "<serial type='file'/><serial type='pty'/><console type='file'><target type='serial'/></console>",
        ["serial1"],
    ),
    "a virtio console beside it": (
        "<serial type='pty'/><console type='pty'><target type='serial'/></console>"
        "<console type='pty'><target type='virtio' port='1'/></console>",
        ["serial0", "console1"],
    ),
    "a virtio console alone": ("<console type='pty'><target type='virtio'/></console>", ["console0"]),
    "a container's": ("<console type='pty'><target type='lxc'/><alias name='console0'/></console>", ["console0"]),
    "an alias of somebody's own": ("<serial type='pty'><alias name='ua-box'/></serial>", ["ua-box"]),
    "what no console can be opened on": (
        "<serial type='tcp'/><serial type='unix'/><console type='null'/><parallel type='pty'/>",
        [],
    ),
}


@pytest.mark.parametrize("name", SERIALS)
def test_the_serial_devices_that_a_console_can_be_opened_on(name: str) -> None:
    devices, expected = SERIALS[name]
    assert DomainXML.parse(f"<domain><devices>{devices}</devices></domain>").serials == expected
