"""Lenses write what they read, change nothing else, and each is tried on a real host."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.data.shapes import MACHINE, TRIALS, Trial
from vms.libvirtxml import DomainXML, Given, difference, faults, plain, without
from vms.libvirtxml.difference.canonical import canonical
from vms.libvirtxml.shaping import (
    DEVICES,
    SORTS,
    BadValue,
    Edit,
    Lens,
    Stale,
    as_live,
    digest,
    is_done,
    is_live,
    lens_of,
    osinfo,
    part,
    parts,
    shape,
)
from vms.libvirtxml.shaping import MACHINE as ROOTS
from vms.libvirtxml.shaping.devices import CONTROLLERS

GOLDEN = Path(__file__).parent / "golden"
STRANGE = (
    MACHINE.replace("<domain ", "<domain xmlns:site='urn:site' ")
    .replace("  <vcpu>", "  <!-- whose? --><site:keys site:a='1'><site:b/></site:keys>\n  <vcpu>")
    .replace("<target dev='vda'", "<!-- the first --><unheard-of kept='yes'/>\n      <target dev='vda'")
)


def edit(document: DomainXML, key: str, lens: str, value: object) -> Edit:
    found = part(document, key)
    assert found, key
    return {"do": "set", "part": key, "lens": lens, "was": found.values[lens], "value": value}


def test_each_lens_is_tried_on_a_real_host() -> None:
    """tests/lab/test_shaping.py goes through the same list."""
    document = DomainXML.parse(MACHINE)
    sorts = {one.key: one.sort for one in parts(document)}
    kinds = {one.key: one.element.get("type") for one in parts(document)}
    tried = {
        (kinds[trial.part] if sorts[trial.part] == "controller" else sorts[trial.part], trial.lens) for trial in TRIALS
    }
    declared = {
        (sort, lens.name)
        for table in (ROOTS, DEVICES, CONTROLLERS)
        for sort, lenses in table.items()
        for lens in lenses
    }
    assert declared - tried == set()
    assert tried - declared == set()


def try_out(document: DomainXML, trial: Trial) -> None:
    if trial.first:
        shape(document, [edit(document, trial.part, *trial.first)])
    shape(document, [edit(document, trial.part, trial.lens, trial.value)])


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: f"{trial.part}-{trial.lens}")
def test_a_lens_writes_what_it_reads_and_nothing_else(trial: Trial) -> None:
    document, before = DomainXML.parse(STRANGE), DomainXML.parse(STRANGE)
    if trial.lens == "medium":
        shape(document, [edit(document, trial.part, "medium", "p/a.iso")])
        assert document.cd("sda").source == "p/a.iso"  # type: ignore[union-attr]
    try_out(document, trial)
    after = part(document, trial.becomes or trial.part)
    assert after and after.values[trial.lens] == trial.value
    # Comments, and elements that nobody knows, stay where they were, and so does all that is of no part that changed.
    assert document.text.count("<!--") == 2
    assert document.element.find("{urn:site}keys/{urn:site}b") is not None
    assert document.element.find("devices/disk/unheard-of") is not None
    for one in parts(before):
        now = part(document, one.key)
        if one.sort in DEVICES and one.key != trial.part and trial.lens != "boot_order":
            assert now and c14n(now.element) == c14n(one.element)
    own = {"devices", *(str(element.tag) for element in before.element if element.tag in OF_MACHINE)}
    there = {c14n(element) for element in document.element.iterchildren(etree.Element)}
    for element in before.element.iterchildren(etree.Element):
        assert element.tag in own or c14n(element) in there


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: f"{trial.part}-{trial.lens}")
def test_what_was_valid_stays_valid(trial: Trial) -> None:
    document = DomainXML.parse(MACHINE)
    try_out(document, trial)
    assert not faults(document.text)


def c14n(element: etree._Element) -> bytes:
    made = etree.fromstring(etree.tostring(element, with_tail=False))
    return bytes(etree.tostring(made, method="c14n", with_comments=True))


OF_MACHINE = frozenset({
    "cputune", "memtune", "memoryBacking", "title", "description", "metadata",
    "on_poweroff", "on_reboot", "on_crash", "vcpu", "cpu", "memory", "currentMemory", "os",
})  # fmt: skip

CORPUS = {
    path.stem: path.read_text()
    for path in (*GOLDEN.glob("*-got.xml"), *GOLDEN.glob("typical-in.xml"), *GOLDEN.glob("virt-install/*.xml"))
}


def choices(lens: Lens) -> list[Any]:
    """Values that the lens takes."""
    if lens.form in ("number", "size"):
        return [None, *([lens.least] if lens.required else [lens.least, lens.least + 7])][1 if lens.required else 0 :]
    if lens.name == "cpuset":
        return ["0-1", ""]
    known = {"choice": lens.choices, "flag": (True, False), "lines": ("a\nb", ""), "text": ("S1", ""),
             "system": ("http://debian.org/debian/12", "http://x.org/a/b", "")}  # fmt: skip
    return list(known.get(lens.form, ()))


@pytest.mark.parametrize("name", sorted(CORPUS))
@pytest.mark.parametrize("seed", range(6))
def test_random_edits_stay_valid_and_can_be_taken_back(name: str, seed: int) -> None:
    wild = random.Random(f"{name} {seed}")
    text = CORPUS[name].replace("<devices>", "<!-- kept --><devices>", 1)
    document, first = DomainXML.parse(text), DomainXML.parse(text)
    was_valid = not faults(text)
    done: list[Edit] = []
    for _ in range(30):
        one = wild.choice(parts(document))
        lenses = [lens for lens in one.lenses if not lens.loses and lens.name not in UNEVEN and choices(lens)]
        if not lenses:
            continue
        lens = wild.choice(lenses)
        made = edit(document, one.key, lens.name, wild.choice(choices(lens)))
        shape(document, [made])
        done.append(made)
        assert is_done(document, made)
        assert not (was_valid and faults(document.text)), made
    assert document.text.count("<!-- kept -->") == 1
    for made in reversed(done):
        place, lens = lens_of(document, made)
        assert lens.read(place.element) == made["value"]
        # Also back to nothing, which libvirt's own answers never have where it is no choice.
        lens.write(place.element, made["was"])
    assert canonical(document.element).digest == canonical(first.element).digest
    assert document.text.count("<!--") == first.text.count("<!--")


# What writes a second value too, topology, which must fit the processors, a limit, which must leave room, and
# what does not go with on_poweroff.
UNEVEN = frozenset({"on_reboot", "memory_limit", "cpus", "cpus_max", "memory", "memory_max", "topology", "readonly"})


def test_what_somebody_else_has_changed_is_not_overwritten() -> None:
    document = DomainXML.parse(MACHINE)
    old = edit(document, "vda", "cache", "none")
    shape(document, [edit(document, "vda", "cache", "writeback")])
    gone = {"do": "remove", "part": "rng0", "was": digest(document, "rng0")}
    shape(document, [edit(document, "rng0", "bytes", 100)])
    text = document.text
    for stale in (old, gone, {**old, "part": "vdz"}, {**old, "lens": "nothing"}):
        with pytest.raises(Stale):
            shape(document, [stale])
    assert document.text == text


@pytest.mark.parametrize(
    ("key", "lens", "value", "why"),
    [
        ("cpu", "cpus", 3, "over"), ("memory", "memory", 1 << 20, "over"), ("cpu", "topology", "2x2x2", "product"),
        ("cpu", "cpus_max", 0, "number"), ("cpu", "cpus_max", "4", "number"), ("cpu", "cpus_max", True, "number"),
        ("cpu", "topology", "0x1x1", "text"), ("vda", "cache", "best", "choice"), ("vda", "cache", None, "text"),
        ("overview", "title", "a\nb", "text"), ("overview", "title", "a" * 256, "text"),
        ("overview", "description", "\x00", "text"), ("vda", "serial", "a b", "text"), ("vda", "readonly", 1, "flag"),
        ("boot", "boot_order", "vda vda", "twice"), ("boot", "boot_order", "video0", "device"),
        ("memory", "memory_limit", 300 * 1024, "limit"), ("memory", "memory_limit", 1, "number"),
        ("graphics0", "listens", "10.0.0.1", "choice"), ("vsock0", "cid", 2, "number"),
        ("cpu", "cpu_mode", "a/b", "text"), ("overview", "os", "debian13", "text"),
        ("overview", "os", "http://a.b/c d", "text"),
        ("sda", "medium", "../../etc/passwd", "text"), ("net0", "network", "a/b", "text"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(key: str, lens: str, value: object, why: str) -> None:
    document = DomainXML.parse(MACHINE)
    with pytest.raises(BadValue) as bad:
        shape(document, [edit(document, key, lens, value)])
    assert bad.value.why == why


def test_a_system_stands_beside_what_others_keep() -> None:
    """And nobody loses what he keeps there."""
    debian, site = "http://debian.org/debian/13", "<site:x xmlns:site='urn:site'>1</site:x>"
    document = DomainXML.parse(MACHINE.replace("  <memory ", f"  <metadata>\n    {site}\n  </metadata>\n  <memory ", 1))
    before = document.text
    assert osinfo(document.element) is None
    shape(document, [edit(document, "overview", "os", debian)])
    assert {need.privilege for need in difference(before, document.text)} == {"vm.describe"}
    assert osinfo(document.element) == f'<libosinfo><os id="{debian}"/></libosinfo>'
    there = DomainXML.parse(document.text)
    shape(document, [edit(document, "overview", "os", "http://debian.org/debian/12")])
    shape(document, [edit(document, "overview", "os", "")])
    assert document.text == before
    # One that nobody knows, with more beside it.
    strange = there.text.replace(f'os id="{debian}"/>', 'os id="mine!"/><libosinfo:more/>')
    document = DomainXML.parse(strange)
    assert edit(document, "overview", "os", "")["was"] == "mine!"
    shape(document, [edit(document, "overview", "title", "a")])
    assert 'id="mine!"' in document.text
    shape(document, [edit(document, "overview", "os", "")])
    assert "mine!" not in document.text and "<libosinfo:more/>" in document.text
    assert document.element.find("metadata/{urn:site}x") is not None
    assert osinfo(document.element) == "<libosinfo><more/></libosinfo>"


def test_3d_has_what_draws_it_as_long_as_a_card_needs_it() -> None:
    two = "<video><model type='virtio'/></video><video><model type='virtio'/></video>"
    document = DomainXML.parse(MACHINE.replace("<video><model type='vga'/></video>", two))
    before = document.text
    for key in ("video0", "video1"):
        shape(document, [edit(document, key, "three_d", True)])
    assert {need.privilege for need in difference(before, document.text)} == {"vm.define"}
    assert len(document.element.findall("devices/graphics[@type='egl-headless']")) == 1
    assert not faults(document.text)
    shape(document, [edit(document, "video0", "three_d", False)])
    assert document.element.find("devices/graphics[@type='egl-headless']") is not None
    shape(document, [edit(document, "video1", "three_d", False)])
    assert document.text == before
    # Where SPICE draws itself, nothing else does.
    spice = "<graphics type='spice'><listen type='none'/><gl enable='yes'/></graphics><video>"
    document = DomainXML.parse(before.replace("<video>", spice, 1))
    shape(document, [edit(document, "video0", "three_d", True)])
    assert document.element.find("devices/graphics[@type='egl-headless']") is None


def test_a_limit_leaves_room_for_what_is_beside_the_guest() -> None:
    document = DomainXML.parse(MACHINE)
    shape(document, [edit(document, "memory", "memory_limit", 320 * 1024)])
    with pytest.raises(BadValue) as bad:
        shape(document, [edit(document, "memory", "memory_max", 65 * 1024)])
    assert (bad.value.lens, bad.value.why) == ("memory_limit", "limit")
    # One that somebody else made too small keeps nobody from changing other things.
    small = DomainXML.parse(MACHINE.replace("<vcpu>", "<memtune><hard_limit>1024</hard_limit></memtune><vcpu>"))
    shape(small, [edit(small, "overview", "title", "a")])
    shape(small, [edit(small, "memory", "memory_limit", None)])
    assert small.element.find("memtune") is None


def test_memory_stays_shared_while_a_folder_needs_it() -> None:
    document = DomainXML.parse(MACHINE)
    before = document.text
    shape(document, [edit(document, "memory", "shared", True)])
    assert "vm.define" in {need.privilege for need in difference(before, document.text)}
    said = {"path": "/srv/share", "tag": "share", "read_only": False}
    shape(document, [{"do": "add", "sort": "folder", "said": said}])
    with pytest.raises(BadValue) as bad:
        shape(document, [edit(document, "memory", "shared", False)])
    assert (bad.value.lens, bad.value.why) == ("shared", "folder")
    shape(document, [{"do": "remove", "part": "fs0", "was": digest(document, "fs0")}])
    shape(document, [edit(document, "memory", "shared", False)])
    assert document.text == before


@pytest.mark.parametrize(
    ("listens", "needs"), [("socket", {"vm.device"}), ("loopback", {"vm.device"}), ("everywhere", {"vm.define"})]
)
def test_a_screen_on_an_address_asks_for_a_password(listens: str, needs: set[str]) -> None:
    document = DomainXML.parse(MACHINE)
    before = document.text
    shape(document, [edit(document, "graphics0", "listens", listens)])
    screen = document.vnc
    assert screen and (screen.password is None) == (listens == "socket")
    assert {need.privilege for need in difference(before, document.text)} >= needs
    shape(document, [edit(document, "graphics0", "listens", "none")])
    assert document.vnc and document.vnc.address is None and not faults(document.text)


def test_a_named_processor_takes_the_place_of_another() -> None:
    text = MACHINE.replace(
        "<cpu mode='maximum'/>",
        "<cpu mode='custom' match='minimum'><model fallback='allow'>Penryn</model><topology sockets='2' cores='1' "
        "threads='1'/><feature policy='require' name='ssbd'/></cpu>",
    )
    document = DomainXML.parse(text)
    shape(document, [edit(document, "cpu", "cpu_mode", "qemu64")])
    cpu = document.element.find("cpu")
    assert cpu is not None and cpu.find("feature") is None and cpu.find("topology") is not None
    assert (cpu.get("match"), cpu.xpath("string(model)"), cpu.xpath("string(model/@fallback)")) == (
        "exact", "qemu64", "forbid",
    )  # fmt: skip
    assert {need.privilege for need in difference(text, document.text)} == {"vm.cpu_memory"}
    shape(document, [edit(document, "cpu", "cpu_mode", "host-model")])
    assert cpu.find("model") is None and cpu.get("match") is None and not faults(document.text)


def test_a_socket_has_a_number_of_its_own_for_who_defines() -> None:
    document = DomainXML.parse(MACHINE)
    before = document.text
    shape(document, [edit(document, "vsock0", "cid", 77)])
    assert {need.privilege for need in difference(before, document.text)} == {"vm.define"}
    shape(document, [edit(document, "vsock0", "cid", None)])
    assert document.text == before


def test_qemu_cannot_tell_an_end_from_a_reboot_where_they_are_swapped() -> None:
    document = DomainXML.parse(MACHINE)
    wished = [("on_poweroff", "restart"), ("on_reboot", "destroy")]
    with pytest.raises(BadValue) as bad:
        shape(document, [edit(document, "overview", *one) for one in wished])
    assert (bad.value.lens, bad.value.why) == ("on_poweroff", "ends")
    other = DomainXML.parse(MACHINE.replace("type='qemu'", "type='xen'"))
    shape(other, [edit(other, "overview", *one) for one in wished])


def test_each_sort_of_device_can_be_added_and_taken_out() -> None:
    said = {
        "disk": {"pool": "p", "volume": "v", "format": "qcow2", "bus": "virtio", "target": "vdc"},
        "cdrom": {"bus": "sata", "target": "sdc"},
        "card": {"network": "n", "mac": "52:54:00:00:00:02", "model": "virtio"},
        "serial": {"number": 1},
        "hostdev": {"kind": "pci", "place": "0000:03:00.1"},
        "folder": {"path": "/srv/share", "tag": "share", "read_only": True},
    }
    bare = "<domain type='qemu'><name>a</name><memory>1</memory><os><type>hvm</type></os><devices/></domain>"
    for sort in SORTS:
        document = DomainXML.parse(bare)
        made: Edit = {"do": "add", "sort": sort, "said": said.get(sort, {"listen": "none"})}
        assert not is_done(document, made)
        shape(document, [made])
        assert is_done(document, made) and not faults(document.text), sort
        if sort in ("disk", "cdrom", "balloon") or SORTS[sort].once(document):
            with pytest.raises(BadValue):
                shape(document, [made])
        key = parts(document)[-1].key
        if sort != "balloon":
            shape(document, [{"do": "remove", "part": key, "was": digest(document, key)}])
            assert document.element.find("devices/*") is None, sort


def test_a_serial_line_goes_with_the_console_that_says_it_again() -> None:
    document = DomainXML.parse(CORPUS["rich-got"])
    shape(document, [{"do": "remove", "part": "serial0", "was": digest(document, "serial0")}])
    assert not document.serials


def test_a_run_is_told_what_it_can_have() -> None:
    after = DomainXML.parse(MACHINE)
    live = DomainXML.parse(MACHINE.replace("<devices>", "<seclabel type='none'/><devices>"))
    card = part(live, "net0")
    assert card
    title = edit(after, "overview", "title", "a")
    assert is_live(after, title) and as_live(live, after, title) == title
    assert not is_live(after, edit(after, "vda", "cache", "none"))
    more = edit(after, "memory", "memory", 1 << 20)
    assert is_live(after, more) and as_live(live, after, more) is None, "more than the run can ever have"
    gone = {"do": "remove", "part": "net0", "was": digest(after, "net0")}
    assert is_live(after, gone) and as_live(live, after, gone)
    card.element.getparent().remove(card.element)  # type: ignore[union-attr]
    assert as_live(live, after, gone) is None
    assert not is_live(after, {"do": "remove", "part": "sda", "was": ""})
    assert not is_live(after, {"do": "add", "sort": "sound", "said": {}})


def test_another_chipset_has_other_places() -> None:
    text = (
        "<domain type='kvm'><name>a</name><memory>1</memory><os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>"
        "</os><devices><disk type='file' device='disk'><source file='/a'/><target dev='hda' bus='ide'/>"
        "<address type='drive' controller='0' bus='0' target='0' unit='0'/></disk><disk type='file' device='cdrom'>"
        "<target dev='hdc' bus='ide'/></disk><controller type='ide' index='0'><address type='pci' slot='1'/>"
        "</controller><controller type='pci' index='0' model='pci-root'/><controller type='scsi' model='virtio-scsi'>"
        "<address type='pci' slot='5'/></controller><sound model='ich9'><address type='pci' slot='4'/></sound>"
        "</devices></domain>"
    )
    document = DomainXML.parse(text)
    shape(document, [edit(document, "overview", "machine", "q35")])
    assert not faults(document.text)
    assert [(disk.target, disk.element.xpath("string(target/@bus)")) for disk in document.disks] == [
        ("sda", "sata"), ("sdb", "sata"),
    ]  # fmt: skip
    assert document.element.find("devices/*/address") is None
    assert [each.get("type") for each in document.element.findall("devices/controller")] == ["scsi"]
    assert {need.privilege for need in difference(text, document.text)} == {"vm.boot", "vm.disk", "vm.device"}
    # Of the same chipset another version is that alone.
    same = DomainXML.parse(text)
    shape(same, [edit(same, "overview", "machine", "pc-i440fx-6.2")])
    assert same.text.count("address") == text.count("address")
    assert {need.privilege for need in difference(text, same.text)} == {"vm.boot"}


FILLED = (
    "<domain type='kvm'><name>a</name><memory>1</memory><os firmware='efi'><type machine='q35'>hvm</type><firmware>"
    "<feature enabled='no' name='secure-boot'/></firmware><loader readonly='yes' type='pflash'>/usr/OVMF.fd</loader>"
    "<nvram template='/usr/share/VARS.fd'>/var/lib/a_VARS.fd</nvram></os><devices/></domain>"
)


@pytest.mark.parametrize(
    ("text", "was", "value", "needs"),
    [
        (FILLED, "efi", "bios", {"vm.boot"}),
        (FILLED, "efi", "secure", {"vm.boot", "vm.device"}),
        (FILLED.replace(" firmware='efi'", ""), "efi", "bios", {"vm.boot"}),
        (FILLED.replace("readonly", "secure='yes' readonly"), "secure", "bios", {"vm.boot"}),
        (MACHINE, "bios", "efi", {"vm.boot"}),
        (MACHINE, "bios", "secure", {"vm.boot", "vm.device"}),
    ],
)  # fmt: skip
def test_the_host_chooses_the_files_of_another_firmware(text: str, was: str, value: str, needs: set[str]) -> None:
    document = DomainXML.parse(text)
    before = document.text
    assert part(document, "overview").values["firmware"] == was  # type: ignore[union-attr]
    shape(document, [edit(document, "overview", "firmware", value)])
    assert part(document, "overview").values["firmware"] == value  # type: ignore[union-attr]
    assert not faults(document.text) and "OVMF" not in document.text and "VARS" not in document.text
    assert {need.privilege for need in difference(before, document.text)} == needs


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"kind": "pci", "place": "0000:0a:1f.3"}, "source/address[@bus='0x0a'][@slot='0x1f'][@function='0x3']"),
        ({"kind": "usb", "vendor": "0x1234", "product": "0xabcd", "policy": "optional"},
         "source[@startupPolicy='optional']/product[@id='0xabcd']"),
        ({"kind": "usb", "bus": "1", "device": "4", "policy": "mandatory"}, "source/address[@device='4']"),
        ({"kind": "mdev", "uuid": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"}, "source/address[@uuid]"),
    ],
)  # fmt: skip
def test_a_device_of_the_host_is_one_that_was_given(said: dict[str, str], path: str) -> None:
    document = DomainXML.parse(MACHINE)
    before = document.text
    shape(document, [{"do": "add", "sort": "hostdev", "said": said}])
    found = document.element.find("devices/hostdev")
    assert found is not None and found.xpath(path) and not faults(document.text)
    assert {need.privilege for need in difference(before, document.text)} == {"vm.define"}
    given = Given(offers=frozenset({plain(found)}))
    assert not difference(without(before, given), without(document.text, given))
    # As libvirt tells it afterwards, and while it runs.
    answer = DomainXML.parse(document.text)
    device = answer.element.find("devices/hostdev")
    assert device is not None
    for text in ("<driver name='vfio'/>", "<alias name='hostdev0'/>", "<address type='pci' bus='0x05'/>"):
        device.append(etree.fromstring(text))
    if found.find("source/vendor") is not None:
        device.find("source").append(etree.fromstring("<address bus='1' device='9'/>"))  # type: ignore[union-attr]
    assert not difference(without(before, given), without(answer.text, given))
    # Another one, or one with more, was not given.
    device.append(etree.fromstring("<rom file='/etc/shadow'/>"))
    assert {need.privilege for need in difference(before, without(answer.text, given))} == {"vm.define"}


def test_a_shared_folder_shares_memory_and_needs_to_be_given() -> None:
    document = DomainXML.parse(MACHINE)
    before = document.text
    said = {"path": "/srv/share", "tag": "share", "read_only": False}
    shape(document, [{"do": "add", "sort": "folder", "said": said}])
    assert not faults(document.text)
    root = document.element
    assert root.xpath("string(memoryBacking/source/@type)") == "memfd"
    assert root.xpath("string(memoryBacking/access/@mode)") == "shared"
    assert root.xpath("string(devices/filesystem/target/@dir)") == "share"
    found = root.find("devices/filesystem")
    assert found is not None
    given = Given(offers=frozenset({plain(found)}))
    assert not difference(without(before, given), without(document.text, given))
    # Not another folder, and not that one to be written where it was given to be read.
    for change in ({"path": "/etc"}, {"read_only": True}):
        other = DomainXML.parse(before)
        shape(other, [{"do": "add", "sort": "folder", "said": {**said, **change}}])
        assert {need.privilege for need in difference(before, without(other.text, given))} == {"vm.define"}
    # Memory is shared by nothing else than this.
    shared = before.replace("<devices>", "<memoryBacking><access mode='shared'/></memoryBacking><devices>", 1)
    assert {need.privilege for need in difference(before, shared)} >= {"vm.define"}
