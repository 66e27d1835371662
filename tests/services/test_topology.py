"""How a host is built, and what its interfaces are for, as its page shows it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.fakehost import HARDWARE
from tests.grants import grant
from vms import live
from vms.inventory.devices import plan
from vms.inventory.hosts import as_stored
from vms.inventory.hosts import facts as store_facts
from vms.libvirtxml import NetworkSpec, made_network
from vms.models import Host, Network, User
from vms.services import links, networks, topology
from vms.services.host_check import checked
from vms.virt import DeviceInfo, HostSpec, connect

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

SERVER: dict[str, Any] = json.loads((Path(__file__).parents[1] / "virt" / "golden" / "server.json").read_text())
LINKS = [
    {"name": "br0", "kind": "bridge", "mac": "52:54:00:00:00:01", "state": "up", "speed": 0, "parts": ["eth0"],
     "addresses": ["192.0.2.7/24"]},
    {"name": "eth0", "kind": "ethernet", "mac": "52:54:00:00:00:02", "state": "up", "speed": 10000, "parts": [],
     "addresses": []},
    {"name": "eth1", "kind": "ethernet", "mac": "", "state": "down", "speed": 100, "parts": [], "addresses": []},
    {"name": "eth2", "kind": "card"},
]  # fmt: skip


@pytest.fixture
def server(host: Host) -> Host:
    """It has two NUMA nodes, four interfaces and a network behind its bridge, and has told how much is used."""
    card = DeviceInfo(
        "pci_1", "pci", vendor="Intel", product="<b>", sort="0x020000", address="0000:81:00.0", numa_node=1
    )
    bridge = DeviceInfo("pci_0", "pci", sort="0x060400", address="0000:80:00.0", numa_node=1)
    for step in plan(host, HARDWARE, [card, bridge]):
        step()
    Host.objects.filter(pk=host.pk).update(hardware=SERVER, facts={"links": LINKS})
    Network.objects.create(
        host=host, uuid=uuid.UUID(int=1), name="lan", document=made_network(NetworkSpec("lan", "bridge", "br0"))
    )
    use = {"cpu": 0.31, "memory_kib": 60 << 20, "of_kib": 125 << 20, "pages": {"0": {"2048": 512}}}
    live.store_host_use(host.pk, {**use, "free_kib": {"0": 1 << 20, "1": 2 << 20}})
    host.refresh_from_db()
    return host


def test_nodes_have_their_sockets_pages_and_devices(server: Host) -> None:
    first, second = topology.nodes(server, live.host_use(server.pk))
    assert [(kept.size_kib, kept.total, kept.free) for kept in first.pages] == [(2048, 1024, 512)]
    assert (first.cpus, first.free_kib, second.free_kib, second.pages) == (5, 1 << 20, 2 << 20, [])
    assert [(socket.words, socket.cores) for socket in first.sockets] == [
        ("Socket 0: 2 cores with 2 threads each", [[0, 4], [1, 5]])
    ]
    assert ([device.address for device in first.devices], [device.address for device in second.devices]) == (
        [], ["0000:81:00.0"]
    )  # fmt: skip


def test_what_was_not_sampled_is_not_told(server: Host) -> None:
    first, _ = topology.nodes(server, {})
    assert (first.free_kib, first.pages[0].free, first.memory_kib) == (None, None, 65536000)


@pytest.mark.parametrize(
    ("cores", "words"),
    [
        ([[0], [1], [2]], "Socket 3: 3 cores"),
        ([[0]], "Socket 3: 1 core"),
        ([[0, 1], [2]], "Socket 3: 2 cores, 3 threads"),
        ([], "Socket 3: 0 cores, 0 threads"),
    ],
)
def test_a_socket_in_words(cores: list[list[int]], words: str) -> None:
    assert topology.shape(3, cores) == words


def test_a_carpet_of_processors_is_counted_and_not_drawn(server: Host) -> None:
    cores = [[at] for at in range(topology.MOST_DRAWN + 1)]
    cell = {**SERVER["cells"][0], "cpus": list(range(len(cores))), "sockets": [{"id": 0, "cores": cores}]}
    server.hardware = {**SERVER, "cells": [cell]}
    [node] = topology.nodes(server, {})
    assert [(socket.words, socket.cores) for socket in node.sockets] == [(f"Socket 0: {len(cores)} cores", [])]


def test_interfaces_say_what_they_are_for(server: Host, alice: User) -> None:
    br0, eth0, eth1, eth2 = links.lines(server, alice, addresses=True)
    assert (br0.kind, br0.parts, [network.name for network in br0.networks]) == ("bridge", ["eth0"], ["lan"])
    assert (br0.addresses, br0.state, br0.speed, br0.within) == (["192.0.2.7/24"], "up", "", [])
    assert (eth0.within, eth0.speed, eth0.networks) == (["br0"], "10 Gbit/s", [])
    assert (eth1.state, eth1.speed) == ("down", "")
    assert networks.links(server, "bridge") == ["br0"]
    assert networks.links(server, "card") == ["eth0", "eth1", "eth2"]
    assert (eth2.name, eth2.kind, eth2.state, eth2.mac) == ("eth2", "", "", "")


def test_who_does_not_administer_hosts_is_told_no_addresses(
    server: Host, mallory: User, client_mallory: Client
) -> None:
    grant(mallory, "viewer", server)
    assert all(not line.addresses for line in links.lines(server, mallory, addresses=False))
    page = client_mallory.get(f"/hosts/{server.pk}/").content.decode()
    assert "52:54:00:00:00:01" in page and "192.0.2.7" not in page


def test_the_page_draws_it(server: Host, client_alice: Client) -> None:
    page = client_alice.get(f"/hosts/{server.pk}/").content.decode()
    for words in (
        "Processors: 31 % used", "Memory: 60 GiB of 125 GiB used", "NUMA node 1", "512 of 1024 free",
        "Socket 1: 2 cores with 2 threads each", "Intel &lt;b&gt;", "192.0.2.7/24", "part of br0",
    ):  # fmt: skip
        assert words in page, words


def test_a_driver_that_tells_little_leaves_nothing_out_of_its_pages(
    host: Host, client_alice: Client, tmp_path: Path
) -> None:
    (tmp_path / "node.xml").write_text("<node/>")
    with connect(HostSpec("local", "test", str(tmp_path / "node.xml"))) as connection:
        for step in plan(host, connection.hardware(), connection.devices()):
            step()
        store_facts(host, as_stored(connection.info(), connection.missing()))
    for driver in Host.Driver.values:
        Host.objects.update(driver=driver)
        for path in ("", "check/", "devices/"):
            assert client_alice.get(f"/hosts/{host.pk}/{path}").status_code == 200
        host.refresh_from_db()
        results = {line.code: line.result for line in checked(host)}
        assert results["networks"] == "fail" and results["clock"] == "unknown"
        if driver == "qemu":
            untold = ("cgroups", "svirt", "qemu_user", "nested", "modules")
            assert {results[code] for code in untold} == {"unknown"}, (results, host.hardware, host.facts)


@pytest.mark.parametrize(
    "stored", [{}, {"cells": []}, {"cells": [{"id": 0, "memory_kib": 9, "cpus": [0], "sockets": [0], "pages": []}]}]
)
def test_a_host_that_tells_little_or_told_it_to_an_older_version_has_a_page(
    host: Host, client_alice: Client, stored: dict[str, Any]
) -> None:
    Host.objects.update(hardware=stored, facts={"hostname": "x"})
    for path in ("", "check/", "devices/"):
        assert client_alice.get(f"/hosts/{host.pk}/{path}").status_code == 200
