"""A host's check and devices, and what of it is offered, on its pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from vms.models import Host, HostDevice, Offer
from vms.services import devices

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
CROWD = 250


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def card(at: int, **fields: Any) -> HostDevice:
    return HostDevice(
        name=f"pci_{at:03}", kind="pci", vendor="Intel", vendor_id="0x8086", product=f"Card {at}", product_id="0x10fb",
        sort="0x020000", address=f"0000:{at:02x}:00.0", **fields
    )  # fmt: skip


@pytest.fixture
def crowd(host: Host) -> Host:
    """It has many cards in groups of three, the last without one, a receiver, and a disk that tells a number only."""
    made = [card(at, iommu_group=at // 3 if at < CROWD - 1 else None, numa_node=at % 2) for at in range(CROWD)]
    made.append(HostDevice(name="usb_1", kind="usb", vendor="Logitech", product="Receiver", address="001:004"))
    made.append(HostDevice(name="block_vda", kind="block", vendor="0x1af4", path="/dev/vda", size_bytes=1 << 30))
    for device in made:
        device.host = host
    HostDevice.objects.bulk_create(made)
    Host.objects.filter(pk=host.pk).update(hardware={"cells": []}, hardware_at=timezone.now())
    return host


def test_many_devices_have_pages_and_are_found(crowd: Host, client_alice: Client) -> None:
    path = f"/hosts/{crowd.pk}/devices/"
    first, last = text(client_alice, path), text(client_alice, f"{path}?page=3")
    assert (first.count(">Offer</button>"), f"1–100 of {CROWD + 2}" in first) == (100, True)
    assert "IOMMU group 0" in first and "NUMA node 1" in first and "PCI <span" in first and f">{CROWD}</span>" in first
    assert "Receiver" not in first and "Receiver" in last and "<b><bdi>/dev/vda</bdi></b>" in last
    found = text(client_alice, f"{path}?q=card+17")
    assert found.count("<b><bdi>Intel Card 17") == 11 and "Receiver" not in found
    assert "Receiver" in text(client_alice, f"{path}?kind=usb") and "Card" not in text(client_alice, f"{path}?kind=usb")
    assert "No device is like that." in text(client_alice, f"{path}?q=nothing")
    assert text(client_alice, f"{path}?kind=%3Cb%3E&q=%00&page=x").count("<h2") == 1


def test_who_offers_a_device_stays_where_he_was(crowd: Host, client_alice: Client) -> None:
    path = f"/hosts/{crowd.pk}/devices/?kind=pci&page=2"
    to = re.findall(r'action="(/hosts/\d+/devices/offer/[^"]*)"', text(client_alice, path))[0].replace("&amp;", "&")
    device = HostDevice.objects.get(name="pci_120")
    answer = client_alice.post(to, {"device": device.pk})
    assert (answer.status_code, answer["Location"]) == (302, path)
    assert Offer.objects.get().device == device


def test_a_host_without_devices_says_so(host: Host, client_alice: Client) -> None:
    assert "Not read yet." in text(client_alice, f"/hosts/{host.pk}/devices/")
    Host.objects.update(hardware_at=timezone.now())
    page = text(client_alice, f"/hosts/{host.pk}/devices/")
    assert (
        "The host tells of no devices." in page and "search" not in page.split('id="host-devices"')[1].split("tabs")[0]
    )


@pytest.mark.parametrize(
    ("fields", "name", "facts"),
    [
        ({"kind": "block", "vendor": "0x1af4", "path": "/dev/vda"}, "/dev/vda", []),
        ({"kind": "block", "vendor": "SAMSUNG", "product": "SSD", "path": "/dev/sda", "address": "S4", "sort": "disk"},
         "SAMSUNG SSD", ["/dev/sda", "S4", "disk"]),
        ({"kind": "net", "product": "eno1", "address": "52:54:00:00:00:01", "state": "up"},
         "eno1", ["52:54:00:00:00:01", "up"]),
        ({"kind": "mdev_type", "product": "GRID", "free": 0}, "GRID", ["0 more can be made"]),
        ({"kind": "pci", "sort": "0x060400", "address": "0000:00:00.0"}, "0000:00:00.0", ["bridge"]),
        ({"kind": "pci", "vendor": "Intel", "physical": "0000:01:00.0", "address": "0000:01:10.0"},
         "Intel", ["0000:01:10.0", "virtual function of 0000:01:00.0"]),
        ({"kind": "block", "path": "/dev/sr0", "size_bytes": 700 << 20}, "/dev/sr0", ["700 MiB"]),
        ({"kind": "block", "path": "/dev/sda", "size_bytes": 5 << 28}, "/dev/sda", ["1.2 GiB"]),
        ({"kind": "scsi"}, "it", []),
    ],
)  # fmt: skip
def test_a_device_in_words(host: Host, fields: dict[str, Any], name: str, facts: list[str]) -> None:
    told = devices.line(HostDevice(host=host, name="it", **fields), apart=False)
    assert (told.name, told.facts) == (name, facts)


def test_the_check_counts_its_lines(crowd: Host, client_alice: Client) -> None:
    Host.objects.update(facts={})
    assert "Not read yet." in text(client_alice, f"/hosts/{crowd.pk}/check/")
    Host.objects.update(facts={"arch": "x86_64", "hostname": "localhost", "networks": [{"active": True}]})
    page = text(client_alice, f"/hosts/{crowd.pk}/check/")
    counts = {words: int(n) for n, words in re.findall(r"</svg>\s+(\d+) (fails?|warnings?|unknown|pass(?:es)?)<", page)}
    rows = re.findall(r'<li class="is-(\w+)">', page)
    assert sum(counts.values()) == len(rows) > 10
    assert rows.count("fail") == next(n for words, n in counts.items() if words.startswith("fail"))


def test_a_hosts_offers_stand_under_its_tabs(crowd: Host, client_alice: Client) -> None:
    other = Host.objects.create(name="host-b", transport="ssh", address="b.example")
    for where, name in ((crowd, "isos"), (other, "mirror")):
        Offer.objects.create(host=where, kind="folder", name=name, path="/srv/it")
    page = text(client_alice, f"/offers/?host={other.pk}")
    assert "mirror" in page and "isos" not in page and 'aria-current="page">Offered to VMs' in page
    assert re.search(rf'<option value="{other.pk}" selected', page)
    everything = text(client_alice, "/offers/")
    assert "mirror" in everything and "isos" in everything and "Parts of this host" not in everything
    sent = {"kind": "folder", "host": other.pk, "name": "new", "path": "/srv/new"}
    assert client_alice.post(f"/offers/?host={other.pk}", sent)["Location"] == f"/offers/?host={other.pk}"
    assert text(client_alice, "/offers/?host=999999").count("mirror") == 0
