"""What waits for the next start, on documents that a real libvirt wrote of running VMs (golden/runs)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from lxml import etree

from vms.libvirtxml import BadXML, parse
from vms.libvirtxml.pending import Change, pending, settings, sure

RUNS: Final = Path(__file__).with_name("golden") / "runs"
NAMES: Final = ("host", "rich", "tuned", "windows")
Edit = Callable[[etree._Element], object]


def read(name: str, which: str) -> etree._Element:
    return parse((RUNS / f"{name}-{which}.xml").read_text())


def waiting(run: etree._Element, then: etree._Element, began: dict[str, str] | None = None) -> list[Change]:
    return [each for each in pending(run, then) if sure(each, began or {}, settings(then))]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_filled_in_is_no_difference(name: str) -> None:
    run, then = read(name, "run"), read(name, "next")
    before = etree.tostring(run)
    assert waiting(run, then) == [] == waiting(run, then, settings(then))
    assert etree.tostring(run) == before, "the document that was handed in stays"


def put(path: str, value: str) -> Edit:
    """An edit that sets a text or attribute."""
    way, name = (path.rpartition("/@")[0], path.rpartition("@")[2]) if "@" in path.rpartition("/")[2] else (path, "")

    def edit(root: etree._Element) -> None:
        element = root.find(way) if way else root
        assert element is not None, path
        assert (element.get(name) if name else element.text) != value, path
        if name:
            element.set(name, value)
        else:
            element.text = value

    return edit


def take(path: str) -> Edit:
    def edit(root: etree._Element) -> None:
        element = root.find(path)
        assert element is not None, path
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)

    return edit


def add(way: str, text: str) -> Edit:
    def edit(root: etree._Element) -> None:
        parent = root if not way else root.find(way)
        assert parent is not None
        parent.append(etree.fromstring(text))

    return edit


def both(*edits: Edit) -> Edit:
    return lambda root: [edit(root) for edit in edits]


DISK = "<disk type='file' device='disk'><source file='/n'/><target dev='vdz' bus='virtio'/><address type='pci'/></disk>"
CARD = "devices/interface[1]"
EDITS: Final[dict[str, tuple[str, Edit, str, str, str]]] = {
    "memory": ("rich", both(put("memory", "2097152"), put("currentMemory", "2097152")), "memory", "", "changed"),
    "less memory": ("rich", put("currentMemory", "524288"), "memory", "", "changed"),
    "processors": ("rich", put("vcpu", "4"), "vcpu", "", "changed"),
    "fewer processors": ("tuned", put("vcpu/@current", "2"), "vcpu", "", "changed"),
    "processor": ("rich", put("cpu/@mode", "host-passthrough"), "cpu", "", "changed"),
    "processor back": ("tuned", put("cpu/@mode", "host-model"), "cpu", "", "changed"),
    "topology": (
        "rich", add("cpu", "<topology sockets='1' dies='1' cores='2' threads='1'/>"), "cpu", "", "changed",
    ),
    "title": ("rich", put("title", "Richer"), "title", "", "changed"),
    "description": ("rich", add("", "<description>words</description>"), "description", "", "added"),
    "machine": ("rich", put("os/type/@machine", "pc-q35-6.0"), "os", "", "changed"),
    "firmware": ("rich", put("os/@firmware", "efi"), "os", "", "changed"),
    "boot menu": ("tuned", put("os/bootmenu/@enable", "no"), "boot", "", "changed"),
    "boot device": ("rich", put("os/boot/@dev", "network"), "boot", "", "changed"),
    "boot order": (
        "tuned", both(put("devices/disk[1]/boot/@order", "2"), put(f"{CARD}/boot/@order", "1")), "boot", "", "changed",
    ),
    "crash": ("rich", put("on_crash", "restart"), "on_crash", "", "changed"),
    "clock": ("rich", put("clock/@offset", "localtime"), "clock", "", "changed"),
    "features": ("rich", take("features/apic"), "features", "", "changed"),
    "shares": ("tuned", put("cputune/shares", "100"), "cputune", "", "changed"),
    "shared memory": ("tuned", take("memoryBacking"), "memoryBacking", "", "removed"),
    "io threads": ("tuned", put("iothreads", "3"), "iothreads", "", "changed"),
    "a disk more": ("rich", add("devices", DISK), "devices/disk", "vdz", "added"),
    "a disk with its controller": (
        "rich",
        both(
            add("devices", DISK.replace("vdz", "sdz").replace("virtio", "scsi")),
            add("devices", "<controller type='scsi' index='0' model='virtio-scsi'/>"),
        ),
        "devices/disk", "sdz", "added",
    ),
    "a disk less": ("rich", take("devices/disk[3]"), "devices/disk", "vdb", "removed"),
    "a disk's cache": ("rich", put("devices/disk[3]/driver/@cache", "none"), "devices/disk", "vdb", "changed"),
    "a disk's bus": (
        "rich", both(put("devices/disk[3]/target/@bus", "sata"), put("devices/disk[3]/target/@dev", "sdb")),
        "devices/disk", "sdb", "changed",
    ),
    "a disk's source": ("rich", put("devices/disk[3]/source/@file", "/other"), "devices/disk", "vdb", "changed"),
    "a disk's limit": (
        "tuned", put("devices/disk[1]/iotune/total_iops_sec", "7"), "devices/disk", "vda", "changed",
    ),
    "a medium": (
        "rich", add("devices/disk[1]", "<source file='/a.iso'/>"), "devices/disk", "sda", "changed",
    ),
    "a medium out": ("windows", take("devices/disk[2]/source"), "devices/disk", "sdb", "changed"),
    "a card's model": ("rich", put(f"{CARD}/model/@type", "e1000e"), "devices/interface", "52:54", "changed"),
    "a card's network": ("rich", put(f"{CARD}/source/@network", "other"), "devices/interface", "52:54", "changed"),
    "a card's address": (
        "rich", put(f"{CARD}/mac/@address", "52:54:00:00:00:01"), "devices/interface", "52:54:00:00:00:01", "changed",
    ),
    "a card's link": ("tuned", put(f"{CARD}/link/@state", "up"), "devices/interface", "52:54", "changed"),
    "a card's limit": (
        "rich", add(CARD, "<bandwidth><inbound average='1'/></bandwidth>"), "devices/interface", "52:54", "changed",
    ),
    "a card less": ("rich", take(CARD), "devices/interface", "52:54", "removed"),
    "where a screen listens": (
        "rich", both(put("devices/graphics[1]/listen/@address", "0.0.0.0")), "devices/graphics", "vnc", "changed",
    ),
    "a screen's keys": ("rich", put("devices/graphics[1]/@keymap", "de"), "devices/graphics", "vnc", "changed"),
    "a screen's port": (
        "tuned", put("devices/graphics[1]/@port", "5999"), "devices/graphics", "vnc", "changed",
    ),
    "a screen less": ("rich", take("devices/graphics[2]"), "devices/graphics", "spice", "removed"),
    "video": ("rich", put("devices/video/model/@type", "vga"), "devices/video", "", "changed"),
    "sound": ("rich", put("devices/sound/@model", "ac97"), "devices/sound", "", "changed"),
    "a tablet less": ("rich", take("devices/input[1]"), "devices/input", "tablet", "removed"),
    "a channel less": (
        "rich", take("devices/channel[1]"), "devices/channel", "org.qemu.guest_agent.0", "removed",
    ),
    "the watchdog": ("rich", put("devices/watchdog/@action", "pause"), "devices/watchdog", "", "changed"),
    "random numbers": (
        "rich", add("devices/rng", "<rate bytes='1' period='1'/>"), "devices/rng", "", "changed",
    ),
    "the balloon": ("rich", put("devices/memballoon/@model", "none"), "devices/memballoon", "", "changed"),
    "a controller": (
        "rich", put("devices/controller[@type='usb']/@model", "nec-xhci"), "devices/controller", "", "changed",
    ),
    "a folder": ("tuned", put("devices/filesystem/target/@dir", "data"), "devices/filesystem", "data", "changed"),
    "the type": ("rich", put("@type", "kvm"), "domain", "", "changed"),
    "metadata": ("rich", add("", "<metadata><a:b xmlns:a='urn:a'>x</a:b></metadata>"), "metadata", "", "added"),
}  # fmt: skip


@pytest.mark.parametrize("edited", EDITS)
def test_each_edit_is_one(edited: str) -> None:
    name, edit, place, which, how = EDITS[edited]
    run, then = read(name, "run"), read(name, "next")
    began = settings(then)
    edit(then)
    [found] = waiting(run, then, began)
    assert (found.place, found.how) == (place, how) and found.which.startswith(which)
    assert (found.was != found.now) and (how != "changed" or found.parts)
    assert not any(noise in found.was + found.now for noise in ("<alias", "vnet", "/dev/pts", "portid"))


def test_memory_that_the_guest_has_is_asked_for_where_the_definition_changed() -> None:
    """In the run of "tuned" the guest kept all of its memory, though the definition says half of it."""
    run, then = read("tuned", "run"), read("tuned", "next")
    assert run.findtext("currentMemory") != then.findtext("currentMemory")
    assert [(each.place, each.unsure) for each in pending(run, then)] == [("cpu", "cpu"), ("memory", "currentMemory")]
    other = settings(read("rich", "next"))
    assert [each.place for each in waiting(run, then, other)] == ["cpu", "memory"]


def test_a_change_in_two_places_is_two() -> None:
    run, then = read("rich", "run"), read("rich", "next")
    put("title", "Other")(then)
    take("devices/watchdog")(then)
    assert [(each.place, each.how) for each in waiting(run, then)] == [
        ("title", "changed"), ("devices/watchdog", "removed"),
    ]  # fmt: skip


def test_an_order_that_moves_to_the_devices_is_one() -> None:
    run, then = read("rich", "run"), read("rich", "next")
    both(take("os/boot"), add("devices/disk[1]", "<boot order='1'/>"))(then)
    [found] = waiting(run, then)
    assert (found.place, found.how) == ("boot", "changed")
    assert "boot dev" in found.was and "order" in found.now


def test_consoles_are_counted_anew_when_it_starts() -> None:
    run, then = read("rich", "run"), read("rich", "next")
    line = "<console type='pty'><target type='virtio' port='{}'/></console>"
    add("devices", line.format(0))(run)
    add("devices", line.format(1))(then)
    assert waiting(run, then) == []
    add("devices", line.format(2))(then)
    assert [(each.place, each.how) for each in waiting(run, then)] == [("devices/console", "added")]


def test_a_live_change_waits_the_other_way() -> None:
    """What was plugged in for this run alone is gone after the next start."""
    run, then = read("rich", "run"), read("rich", "next")
    add("devices", DISK)(run)
    [found] = waiting(run, then)
    assert (found.which, found.how, found.now) == ("vdz", "removed", "")


def test_a_network_of_another_sort_runs_as_that() -> None:
    """libvirt writes the card of a bridged or direct network as one of that type while it runs."""
    run, then = read("rich", "run"), read("rich", "next")
    card = run.find(CARD)
    assert card is not None
    card.set("type", "direct")
    source = card.find("source")
    assert source is not None
    source.set("dev", "eth0")
    source.set("mode", "bridge")
    assert waiting(run, then) == []


def test_an_old_definition_names_no_machine_of_today() -> None:
    run, then = read("rich", "run"), read("rich", "next")
    put("os/type/@machine", "q35")(then)
    assert waiting(run, then) == []
    put("os/type/@machine", "pc")(then)
    assert [each.place for each in waiting(run, then)] == ["os"]


def test_more_than_any_definition_is_refused() -> None:
    run, then = read("rich", "run"), read("rich", "next")
    devices = then.find("devices")
    assert devices is not None
    devices.extend([etree.Element("input", type="tablet") for _ in range(30_000)])
    with pytest.raises(BadXML):
        pending(run, then)


def test_many_devices_of_one_name_take_no_time() -> None:
    run, then = read("rich", "run"), read("rich", "next")
    for root in (run, then):
        devices = root.find("devices")
        assert devices is not None
        devices.extend([etree.Element("rng", model=f"m{number}") for number in range(5000)])
    assert waiting(run, then) == []
