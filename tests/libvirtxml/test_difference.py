"""The difference decides: what an edit needs, and that no way around it is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from vms.libvirtxml import (
    DEFINE,
    BadXML,
    DomainXML,
    add_serial,
    add_vnc_screen,
    boot_first,
    difference,
    let_vnc_listen,
    strayed,
    uncovered,
)

GOLDEN = Path(__file__).with_name("golden")
ANSWER = (GOLDEN / "rich-got.xml").read_text()
OTHERS = """<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/a.iso'/>
<target dev='sdb' bus='sata'/><readonly/></disk>
<hostdev mode='subsystem' type='usb' managed='yes'><source><vendor id='0x1'/><product id='0x2'/></source></hostdev>
<hostdev mode='subsystem' type='usb' managed='yes'><source><vendor id='0x1'/><product id='0x3'/></source></hostdev>
<serial type='file'><source path='/log'/></serial>"""
TWICE = "<o:os id='http://a.b/d'/>"
BEFORE = ANSWER.replace("</devices>", f"{OTHERS}</devices>")


def needs(after: str, before: str | None = BEFORE) -> set[str]:
    return {need.privilege for need in difference(before, after)}


def edited(edit: Callable[[etree._Element], object]) -> str:
    """The document after an edit of its tree."""
    document = DomainXML.parse(BEFORE)
    edit(document.element)
    return document.text


def swapped(old: str, new: str) -> str:
    assert old in BEFORE, old
    return BEFORE.replace(old, new, 1)


def system(address: str, more: str = "", beside: str = "") -> str:
    """The metadata in which a definition says that it is on its disks."""
    return (
        f"<metadata><o:libosinfo xmlns:o='http://libosinfo.org/xmlns/libvirt/domain/1.0'><o:os id='{address}'{more}/>"
        f"{beside}</o:libosinfo></metadata>"
    )


@pytest.mark.parametrize(
    ("old", "new", "privileges"),
    [
        ("<title>Rich</title>", "<title>Poor</title>", {"vm.describe"}),
        ("<title>Rich</title>", "", {"vm.describe"}),
        ("<name>rich</name>", "<name>poor</name>", {"vm.label"}),
        (">2</vcpu>", ">4</vcpu>", {"vm.cpu_memory"}),
        ("<memory unit='KiB'>1048576<", "<memory unit='GiB'>2<", {"vm.cpu_memory"}),
        ("<boot dev='hd'/>", "<boot dev='cdrom'/><boot dev='hd'/>", {"vm.boot"}),
        ("<vcpu placement='static'>", "<vcpu placement='static' cpuset='0'>", {"vm.tune"}),
        ("<currentMemory", "<cputune><shares>2</shares></cputune><currentMemory", {"vm.tune"}),
        ("<sound model='ich9'>", "<sound model='ac97'>", {"vm.device"}),
        ("<source file='/a.iso'/>", "", {"vm.media"}),
        ("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/a.iso'/>",
         "<disk type='block' device='cdrom'><driver name='qemu' type='raw'/><source dev='/dev/sr0'/>",
         {"vm.disk", DEFINE}),
        ("type='qcow2'/>", "type='qcow2' cache='none'/>", {"vm.disk"}),
        ("<model type='virtio'/>", "<model type='e1000'/><link state='down'/>", {"vm.nic"}),
        ("<backend model='random'>/dev/urandom<", "<backend model='random'>/etc/shadow<", {DEFINE}),
        ("<backend model='random'>/dev/urandom<", "<backend model='egd'>/dev/urandom<", {DEFINE, "vm.device"}),
        # T4, T5
        ("<serial type='pty'>", "<serial type='pty'><log file='/etc/cron.d/x'/>", {DEFINE, "vm.device"}),
        (">/usr/bin/qemu-system-x86_64<", ">/my/script<", {DEFINE}),
        (">/usr/bin/qemu-system-x86_64<", ">/usr/bin/qemu-system<!--x-->-x86_64/../../../my/script<", {DEFINE}),
        # T9: a second one of what there is once, with or without a kernel in it
        ("<features>", "<os><kernel>/k</kernel></os><features>", {DEFINE, "vm.boot"}),
        ("<features>", "<os><type>hvm</type></os><features>", {DEFINE, "vm.boot"}),
        ("<features>", "<memory>1</memory><features>", {DEFINE, "vm.cpu_memory"}),
        # The same name in a namespace is read by libvirt as if it had none.
        ("<source file='/y.qcow2'/>", "<source file='/y.qcow2' x:dev='/e' xmlns:x='urn:x'/>", {DEFINE}),
        ("<sound model", "<x:emulator xmlns:x='urn:x'>/e</x:emulator><sound model", {DEFINE}),
        ("<sound model", "<x:disk xmlns:x='urn:x'><source file='/e'/></x:disk><sound model", {DEFINE}),
        ("<clock offset='utc'/>", "<clock offset='utc' x:file='/e' xmlns:x='urn:x'/>", {DEFINE}),
        ("<clock offset='utc'/>", "<clock offset='utc'><x:timer xmlns:x='urn:x'/></clock>", {DEFINE}),
        # a format that is looked for in what the guest wrote, a base that becomes writable, a device of another kind
        ("name='qemu' type='raw'", "name='qemu' type='qcow2'", {DEFINE, "vm.disk"}),
        ("<driver name='qemu' type='qcow2'/>", "<driver name='qemu'/>", {DEFINE, "vm.disk"}),
        ("<target dev='sdb' bus='sata'/><readonly/>", "<target dev='sdb' bus='sata'/>", {DEFINE}),
        ("cdrom'><driver name='qemu' type='raw'/><source", "disk'><driver name='qemu' type='raw'/><source",
         {DEFINE, "vm.disk"}),
        ("<serial type='file'>", "<serial type='dev'>", {DEFINE}),
        ("<serial type='pty'>", "<serial type='file'>", {DEFINE, "vm.device"}),
        ("/y.qcow2", "/etc/shadow", {DEFINE}),
        # F3: naming a volume needs an offered row, and there are none yet
        ("<disk type='file' device='disk'>", "<disk type='volume' device='disk'><source pool='p' volume='v'/>"
         "<target dev='vdz' bus='virtio'/></disk><disk type='file' device='disk'>", {DEFINE, "vm.disk"}),
        ("<source network='default'/>", "<source network='other'/>", {DEFINE}),
        ("<mac address='52", "<mac address='54", {DEFINE}),
        ("<on_crash>destroy<", "<on_crash>coredump-destroy<", {DEFINE}),
        ("action='reset'", "action='dump'", {DEFINE}),
        ("<uuid>", "<uuid>0", {DEFINE}),
        ("<product id='0x3'/>", "<product id='0x4'/>", {DEFINE}),
        ("<features>", "<seclabel type='none'/><features>", {DEFINE}),
        ("<features>", "<metadata><a xmlns='urn:a'/></metadata><features>", {DEFINE, "vm.describe"}),
        ("<features>", system("http://debian.org/debian/13") + "<features>", {"vm.describe"}),
        # What is no address of a system; what stands beside one; a second.
        ("<features>", system("$(reboot)") + "<features>", {DEFINE, "vm.describe"}),
        ("<features>", system("http://a.b/c", " x='1'") + "<features>", {DEFINE, "vm.describe"}),
        ("<features>", system("http://a.b/c", "", "<o:x/>") + "<features>", {DEFINE, "vm.describe"}),
        ("<features>", system("http://a.b/c", "", TWICE) + "<features>", {DEFINE, "vm.describe"}),
        ("<features>", "<blkiotune><device><path>/dev/sda</path></device></blkiotune><features>", {DEFINE, "vm.tune"}),
        ("</domain>", "<c:commandline xmlns:c='http://libvirt.org/schemas/domain/qemu/1.0'><c:arg value='x'/>"
         "</c:commandline></domain>", {DEFINE}),
    ],
)  # fmt: skip
def test_what_an_edit_needs(old: str, new: str, privileges: set[str]) -> None:
    assert needs(swapped(old, new)) == privileges


DRIVE = "<domain><devices><disk type='{}' device='{}'>{}<target dev='sda'/></disk></devices></domain>"


@pytest.mark.parametrize(
    ("type", "device", "medium", "privileges"),
    [
        ("file", "cdrom", "", {"vm.media"}),
        ("file", "cdrom", "<source file='/etc/shadow'/>", {"vm.media", DEFINE}),
        ("volume", "cdrom", "<source pool='p' volume='w'/><backingStore/>", {DEFINE}),
        ("block", "cdrom", "", {"vm.media", "vm.disk"}),
        ("network", "cdrom", "", {"vm.media", DEFINE}),
        ("file", "disk", "", {"vm.disk"}),
    ],
)
def test_a_drive_is_left_empty_by_who_may_change_media(
    type: str, device: str, medium: str, privileges: set[str]
) -> None:
    before = DRIVE.format("volume", "cdrom", "<source pool='p' volume='v' index='1'/><backingStore/>")
    assert needs(DRIVE.format(type, device, medium), before) == privileges


def test_an_element_in_a_namespace_is_none_of_those_that_a_star_stands_for() -> None:
    one = "<domain><devices><x:disk xmlns:x='urn:x'><alias name='{}'/></x:disk></devices></domain>"
    assert needs(one.format("b"), one.format("a")) == {DEFINE}


def test_a_place_is_told_so_that_its_owner_finds_it() -> None:
    [need] = difference(BEFORE, swapped("/y.qcow2", "/etc/shadow"))
    assert (need.privilege, need.place, need.how) == (DEFINE, "devices/disk[vdb]/source/@file", "changed")
    [need] = difference(BEFORE, swapped("<features>", "<x:hook xmlns:x='urn:x'/><features>"))
    assert (need.place, need.how) == ("hook", "added")


def test_no_document_is_an_empty_one() -> None:
    assert needs(ANSWER, None) == {
        DEFINE, "vm.label", "vm.describe", "vm.cpu_memory", "vm.boot", "vm.device", "vm.disk", "vm.nic",
    }  # fmt: skip
    made = "<domain type='kvm'><name>a</name><memory>1024</memory><os><type>hvm</type></os><devices/></domain>"
    assert needs(made, None) == {"vm.label", "vm.cpu_memory", "vm.boot", "vm.device"}


def sources(root: etree._Element) -> dict[str, etree._Element]:
    return {str(disk.find("target").get("dev")): disk for disk in root.iterfind("devices/disk")}  # type: ignore[union-attr]


def test_disks_that_swap_their_sources_need_the_right_to_name_one() -> None:
    def swap(root: etree._Element) -> None:
        one, other = (sources(root)[name].find("source") for name in ("vda", "vdb"))
        assert one is not None and other is not None
        one.attrib["file"], other.attrib["file"] = other.attrib["file"], one.attrib["file"]

    assert needs(edited(swap)) == {DEFINE}


def test_a_disk_keeps_its_source_where_it_moves_to_another_bus() -> None:
    def move(root: etree._Element) -> None:
        target = sources(root)["vdb"].find("target")
        assert target is not None
        target.set("dev", "sdz")
        target.set("bus", "sata")

    assert needs(edited(move)) == {"vm.disk"}


def test_a_disk_that_goes_takes_all_with_it_and_may_not_come_back() -> None:
    def remove(root: etree._Element) -> None:
        disk = sources(root)["vdb"]
        disk.getparent().remove(disk)  # type: ignore[union-attr]

    gone = edited(remove)
    assert needs(gone) == {"vm.disk"}
    assert DEFINE in needs(BEFORE, gone)


def test_the_order_counts_where_it_has_a_meaning() -> None:
    two = swapped("<boot dev='hd'/>", "<boot dev='hd'/><boot dev='cdrom'/>")
    assert needs(two.replace("<boot dev='hd'/><boot dev='cdrom'/>", "<boot dev='cdrom'/><boot dev='hd'/>"), two) == {
        "vm.boot"
    }

    def turn(tag: str) -> Callable[[etree._Element], None]:
        def edit(root: etree._Element) -> None:
            first = root.find(f"devices/{tag}")
            assert first is not None
            first.getparent().append(first)  # type: ignore[union-attr]

        return edit

    assert needs(edited(turn("hostdev"))) == {DEFINE}
    assert needs(edited(turn("graphics"))) == {"vm.device"}
    for nothing in ("disk", "controller", "sound", "emulator"):
        assert needs(edited(turn(nothing))) == set(), nothing


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<memory unit='KiB'>1048576<", "<memory unit='GiB'>1<"),
        ("<memory unit='KiB'>1048576<", "<memory>1048576<"),
        ("<title>Rich</title>", "<title>R<!-- c -->ich</title>"),
        ("<title>Rich</title>", "<title><![CDATA[Rich]]></title>"),
        ("<title>Rich</title>", "<title>&#82;ich</title>"),
        ("<disk type='file' device='disk'>", "<disk device='disk'>"),
        ("<features>", "<features><!-- c -->\n\n"),
    ],
)
def test_two_ways_to_write_the_same_need_nothing(one: str, other: str) -> None:
    assert difference(BEFORE, swapped(one, other)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE domain [<!ENTITY e '/my/script'>]><domain><devices><emulator>&e;</emulator></devices></domain>",
        "<domain><?pi x?></domain>",
        f"<domain><title>{'x' * (1 << 20)}</title></domain>",
        "<network/>",
        "<x:domain xmlns:x='urn:x'/>",
        f"<domain>{'<a>' * 200}{'</a>' * 200}</domain>",
        f"<domain>{'<a/>' * 30_000}</domain>",
    ],
)
def test_what_is_no_definition_is_refused(text: str) -> None:
    with pytest.raises(BadXML):
        difference(BEFORE, text)
    with pytest.raises(BadXML):
        difference(None, text)


@pytest.mark.parametrize("name", ["small", "rich"])
def test_what_libvirt_fills_in_needs_nothing(name: str) -> None:
    sent, answer = ((GOLDEN / f"{name}-{part}.xml").read_text() for part in ("sent", "got"))
    assert strayed(sent, answer) == ()
    assert strayed(sent, answer.replace("/usr/bin/qemu-system-x86_64", "/my/script"))
    assert strayed(answer, sent)  # what was there and goes is none of that


def test_vm_define_covers_everything_and_what_equals_root_is_told_first() -> None:
    found = difference(BEFORE, swapped("<title>Rich</title>", "<title/>").replace("/y.qcow2", "/z"))
    assert [need.privilege for need in uncovered(found, frozenset())] == [DEFINE, "vm.describe"]
    assert [need.privilege for need in uncovered(found, frozenset({"vm.describe"}))] == [DEFINE]
    assert uncovered(found, frozenset({DEFINE})) == []


NO_SCREEN = BEFORE.replace("<graphics type='vnc'", "<graphics type='rdp'")


@pytest.mark.parametrize(
    ("edit", "before", "privileges"),
    [
        (add_vnc_screen, NO_SCREEN, {"vm.device"}),
        (lambda document: add_vnc_screen(document, "socket"), NO_SCREEN, {"vm.device"}),
        (lambda document: add_vnc_screen(document, "loopback"), NO_SCREEN, {"vm.device"}),
        (lambda document: add_vnc_screen(document, "everywhere"), NO_SCREEN, {"vm.device", DEFINE}),
        (lambda document: let_vnc_listen(document, "none"), BEFORE, {"vm.device"}),
        (lambda document: let_vnc_listen(document, "loopback"), BEFORE, {"vm.device"}),
        (lambda document: let_vnc_listen(document, "everywhere"), BEFORE, {"vm.device", DEFINE}),
        (add_serial, BEFORE.replace("type='pty'", "type='null'"), {"vm.device"}),
        (lambda document: boot_first(document, "cd"), BEFORE, {"vm.boot"}),
        (lambda document: boot_first(document, "network"), BEFORE, {"vm.boot"}),
    ],
)
def test_what_the_edits_of_the_product_need(
    edit: Callable[[DomainXML], object], before: str, privileges: set[str]
) -> None:
    document = DomainXML.parse(before)
    assert edit(document)
    assert needs(document.text, before) == privileges


def vnc(attributes: str = "", listen: str = "<listen type='none'/>") -> str:
    return f"<domain><devices><graphics type='vnc' {attributes}>{listen}</graphics></devices></domain>"


LOCAL = "<listen type='address' address='127.0.0.1'/>"
LOCKED = "passwd='x' passwdValidTo='2030-01-01T00:00:00'"


@pytest.mark.parametrize(
    ("before", "after", "privileges"),
    [
        (vnc(), vnc(LOCKED, LOCAL), {"vm.device"}),
        (vnc(), vnc("", LOCAL), {DEFINE, "vm.device"}),
        (vnc(), vnc("", ""), {DEFINE, "vm.device"}),  # where it listens then is the host's to say
        (vnc(), vnc("listen='127.0.0.1' passwd='x'", ""), {"vm.device"}),
        (vnc(), vnc("listen='0.0.0.0' passwd='x'", ""), {DEFINE, "vm.device"}),
        (vnc(), vnc("socket='/etc/x'", ""), {DEFINE, "vm.device"}),
        (vnc(), vnc("", "<listen type='socket'/>"), {"vm.device"}),
        (vnc(), vnc("", "<listen type='socket' socket='/etc/x'/>"), {DEFINE, "vm.device"}),
        (vnc(), vnc("websocket='5700'"), {DEFINE}),
        (vnc(), vnc("port='5901' autoport='no'"), {DEFINE}),
        (vnc(), vnc("port='-1' autoport='yes'"), set()),
        (vnc(LOCKED, LOCAL), vnc("passwd='y'", LOCAL), {"vm.device"}),
        (vnc(LOCKED, LOCAL), vnc("", LOCAL), {DEFINE}),
        (vnc(LOCKED, LOCAL), vnc(LOCKED + " listen='127.0.0.1' port='-1'", LOCAL), set()),
        (vnc(LOCKED, LOCAL), vnc(LOCKED, LOCAL.replace("127.0.0.1", "0.0.0.0")), {DEFINE}),
        (vnc(LOCKED, LOCAL.replace("127.0.0.1", "0.0.0.0")), vnc(LOCKED), {"vm.device"}),
    ],
)
def test_a_screen_opens_only_for_who_may_define(before: str, after: str, privileges: set[str]) -> None:
    assert needs(after, before) == privileges


def test_the_first_console_is_the_first_serial_line_said_again() -> None:
    serial = "<serial type='file'><source path='/log'/><target type='isa-serial' port='0'/></serial>"
    again = "<console type='file'><source path='/log'/><target type='serial' port='0'/></console>"
    frame = "<domain><devices>{}</devices></domain>".format
    assert difference(frame(serial), frame(serial + again)) == ()
    assert needs(frame(serial + again.replace("/log", "/other")), frame(serial)) == {DEFINE}
    assert {need.privilege for need in difference(frame(again), frame(serial + again))} <= {"vm.device"}
