"""What libvirt's documents say of a host, document by document: "small" is as Debian 12's libvirt tells a machine
without UEFI for VMs, "server" one of two NUMA nodes, where the machine type that is named by nobody has no UEFI and q35
has, and "old" the same as a libvirt of before 5.2 says it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from lxml import etree

from vms.virt.hardware import described

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "machines"), [("small", ("pc", "q35")), ("server", ("pc", "q35")), ("old", ("pc",)), ("container", ())]
)
def test_documents_become_what_is_stored(name: str, machines: tuple[str, ...]) -> None:
    def read(what: str) -> etree._Element:
        return etree.parse(GOLDEN / f"{name}.{what}.xml").getroot()

    told = asdict(described(read("capabilities"), [read(machine) for machine in machines], None))
    assert json.loads(json.dumps(told)) == json.loads((GOLDEN / f"{name}.json").read_text())
