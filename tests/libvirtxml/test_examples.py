"""Examples are valid, stand where libvirt has them, and change nothing else."""

from __future__ import annotations

import pytest

from tests.data.shapes import MACHINE
from vms.libvirtxml import BadXML, DomainXML, examples, faults

BARE = "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type></os><devices/></domain>"


@pytest.mark.parametrize("name", sorted(examples.EXAMPLES))
@pytest.mark.parametrize("text", [MACHINE, BARE])
def test_an_example_is_valid_in_its_place(name: str, text: str) -> None:
    before = DomainXML.parse(text).text
    made = examples.add(text, name)
    assert not faults(made)
    added = [line for line in made.splitlines() if line not in before.splitlines()]
    assert text is BARE or 1 <= len(added) <= 7, added
    if name == "redirdev":
        assert examples.add(made, name).count("<redirdev") == 2
    else:
        with pytest.raises(examples.ThereAlready):
            examples.add(made, name)


def test_the_halves_are_the_whole() -> None:
    made = DomainXML.parse(examples.add(MACHINE, "numa")).element
    cells = [dict(cell.attrib) for cell in made.findall("cpu/numa/cell")]
    assert cells == [
        {"id": "0", "cpus": "0", "memory": "32768", "unit": "KiB"},
        {"id": "1", "cpus": "1", "memory": "32768", "unit": "KiB"},
    ]


def test_a_thread_serves_the_first_disk_on_virtio() -> None:
    made = DomainXML.parse(examples.add(MACHINE, "iothreads")).element
    assert [disk.find("driver").get("iothread") for disk in made.findall("devices/disk")] == ["1", None, None]  # type: ignore[union-attr]
    tags = [str(child.tag) for child in made]
    assert tags.index("iothreads") == tags.index("vcpu") + 1


def test_what_is_no_definition_stays_as_it_was_written() -> None:
    with pytest.raises(BadXML):
        examples.add("<domain", "numa")
