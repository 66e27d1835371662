"""libvirt's own test driver: a host in this process, made from a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from lxml.builder import E

from vms.virt import Connection, HostSpec, connect

UUID = "11111111-2222-4333-8444-555555555555"


def domain(name: str, uuid: str = UUID, network: str = "quiet") -> etree._Element:
    made: etree._Element = E.domain(
        E.name(name),
        E.uuid(uuid),
        E.memory("1024", unit="MiB"),
        E.vcpu("2"),
        E.os(E.type("hvm", arch="x86_64")),
        E.devices(
            E.interface(E.mac(address="52:54:00:00:00:01"), E.source(network=network), type="network"),
            E.graphics(type="vnc", passwd="hunter2"),
        ),
        type="test",
    )
    return made


@pytest.fixture
def spec(tmp_path: Path) -> HostSpec:
    """A host with one VM that is off and one network that runs."""
    node = E.node(
        domain("web-01"),
        E.network(E.name("busy"), E.ip(address="10.0.0.1", netmask="255.255.255.0")),
        E.pool(E.name("files"), E.target(E.path("/files")), type="dir"),
    )
    path = tmp_path / "node.xml"
    path.write_text(etree.tostring(node, encoding="unicode"))
    return HostSpec("local", "test", str(path))


@pytest.fixture
def connection(spec: HostSpec) -> Iterator[Connection]:
    with connect(spec) as opened:
        yield opened
