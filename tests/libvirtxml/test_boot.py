"""The order of devices: read by either way of writing it, one first for one start, and put back as it was."""

from __future__ import annotations

import pytest

from vms.libvirtxml import DomainXML, What, boot_first, boot_order, put_order

DISK = "<disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/>{}</disk>"
EMPTY = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/>{}</disk>"
FULL = "<disk type='file' device='cdrom'><source file='/b.iso'/><target dev='sdb' bus='sata'/>{}</disk>"
CARD = "<interface type='network'><source network='default'/>{}</interface>"


def domain(system: str, *devices: str) -> DomainXML:
    return DomainXML.parse(
        f"<domain><name>a</name><os><type>hvm</type>{system}</os><devices>{''.join(devices)}</devices></domain>"
    )


def order(*places: str | int) -> list[str]:
    return [f"<boot order='{place}'/>" if place else "" for place in places]


def each(made: list[str]) -> list[str]:
    return [device.format(place) for device, place in zip((DISK, EMPTY, FULL, CARD), made, strict=True)]


@pytest.mark.parametrize(
    ("what", "system", "places", "then"),
    [
        ("cd", "<boot dev='hd'/>", (0, 0, 0, 0), {"disk 2": "1", "disk 0": "2"}),
        ("cd", "<boot dev='cdrom'/><boot dev='hd'/>", (0, 0, 0, 0), {"disk 2": "1", "disk 1": "2", "disk 0": "3"}),
        ("network", "<boot dev='hd'/><boot dev='network'/>", (0, 0, 0, 0), {"interface 0": "1", "disk 0": "2"}),
        ("cd", "", (1, 0, 2, 0), {"disk 2": "1", "disk 0": "2"}),
        ("network", "", (10, 0, 9, 0), {"interface 0": "1", "disk 2": "2", "disk 0": "3"}),
        ("cd", "", (0, 0, 0, 0), {"disk 2": "1"}),
    ],
)
def test_one_comes_first_and_all_is_put_back(
    what: What, system: str, places: tuple[int, ...], then: dict[str, str]
) -> None:
    document = domain(system, *each(order(*places)))
    text, before = document.text, boot_order(document)
    assert boot_first(document, what)
    assert boot_order(document) == {"os": [], "devices": then}
    put_order(document, before)
    assert boot_order(document) == before
    assert DomainXML.parse(document.text).text == document.text
    assert sorted(document.text) == sorted(text)


@pytest.mark.parametrize("what", ["cd", "network"])
def test_without_such_a_device_nothing_changes(what: What) -> None:
    document = domain("<boot dev='hd'/>", DISK.format(""), EMPTY.format(""))
    text = document.text
    assert not boot_first(document, what)
    assert document.text == text


def test_what_somebody_took_out_meanwhile_gets_no_place() -> None:
    document = domain("", *each(order(1, 0, 2, 3)))
    before = boot_order(document)
    boot_first(document, "network")
    document.devices.remove(document.interfaces[0].element)
    put_order(document, before)
    assert boot_order(document) == {"os": [], "devices": {"disk 0": "1", "disk 2": "2"}}
