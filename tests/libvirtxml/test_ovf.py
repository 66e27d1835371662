from __future__ import annotations

from typing import Any, Final

import pytest
from lxml import etree
from lxml.builder import ElementMaker

from vms.libvirtxml import BadXML, PackedCard, PackedDisk, PackedVm, read_ovf

OVF: Final = "http://schemas.dmtf.org/ovf/envelope/1"
RASD: Final = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
VMW: Final = "http://www.vmware.com/schema/ovf"
STREAM: Final = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
Ovf: Any = ElementMaker(namespace=OVF, nsmap={"ovf": OVF, "rasd": RASD, "vmw": VMW})
Rasd: Any = ElementMaker(namespace=RASD)


def a(**named: str) -> dict[str, str]:
    return {f"{{{OVF}}}{key}": value for key, value in named.items()}


def item(kind: int, **told: str) -> etree._Element:
    made: etree._Element = Ovf.Item(Rasd.ResourceType(str(kind)), *(Rasd(key, value) for key, value in told.items()))
    return made


def envelope(*items: etree._Element, files: dict[str, str] | None = None, **disk: str) -> etree._Element:
    """One VM with a disk of 20 GiB; disk: what its row says otherwise."""
    row = a(diskId="d1", fileRef="f1", capacity="20", capacityAllocationUnits="byte * 2^30", format=STREAM, **{})
    row |= a(**disk)
    made: etree._Element = Ovf.Envelope(
        Ovf.References(*(Ovf.File(a(id=key, href=href)) for key, href in (files or {"f1": "web-disk1.vmdk"}).items())),
        Ovf.DiskSection(Ovf.Info("disks"), Ovf.Disk(row)),
        Ovf.VirtualSystem(
            a(id="web"),
            Ovf.OperatingSystemSection(a(id="94"), Ovf.Description("Debian GNU/Linux 12 (64-bit)")),
            Ovf.VirtualHardwareSection(
                *(
                    items
                    or (
                        item(3, VirtualQuantity="2"),
                        item(4, AllocationUnits="byte * 2^20", VirtualQuantity="4096"),
                        item(6, VirtualQuantity="1"),
                        item(10, Connection="LAN"),
                        item(17, HostResource="ovf:/disk/d1"),
                    )
                )
            ),
        ),
    )
    return made


def read(root: etree._Element) -> PackedVm:
    return read_ovf(etree.tostring(root, encoding="unicode"))


def test_a_vm_as_ovftool_writes_it() -> None:
    root = envelope()
    section = root.find("{*}VirtualSystem/{*}VirtualHardwareSection")
    assert section is not None
    etree.SubElement(section, f"{{{VMW}}}Config", {f"{{{VMW}}}key": "firmware", f"{{{VMW}}}value": "efi"})
    assert read(root) == PackedVm(
        name="web", system="Debian GNU/Linux 12 (64-bit)", cpus=2, memory_mib=4096, firmware="efi",
        disks=(PackedDisk("web-disk1.vmdk", 20 << 30, packed=True),), cards=(PackedCard("", "LAN"),),
    )  # fmt: skip


def test_a_vm_as_virtualbox_and_others_write_it() -> None:
    memory = item(4, AllocationUnits="MegaBytes", VirtualQuantity="512")
    root = envelope(memory, item(17, HostResource="/disk/d1"), capacity="1048576", capacityAllocationUnits="")
    for attribute in (f"{{{OVF}}}capacityAllocationUnits",):
        row = root.find(".//{*}Disk")
        assert row is not None
        del row.attrib[attribute]
    found = read(root)
    assert (found.cpus, found.memory_mib, found.firmware, found.cards) == (1, 512, "bios", ())
    assert found.disks[0].capacity_bytes == 1 << 20


def test_what_is_foreign_is_told() -> None:
    root = envelope(
        item(6, ResourceSubType="lsilogic"), item(5), item(10, ResourceSubType="E1000", Connection="VM Network"),
        item(14), item(15), item(35), item(23), item(23), item(99), item(24), item(17, HostResource="/disk/d1"),
    )  # fmt: skip
    found = read(root)
    assert found.controllers == ("lsilogic", "IDE") and found.cards == (PackedCard("E1000", "VM Network"),)
    assert found.left_out == ("floppy", "cd", "sound", "usb", "other")


def test_an_empty_disk_has_no_file() -> None:
    root = envelope(fileRef="")
    assert read(root).disks == (PackedDisk("", 20 << 30, packed=False),)


def test_disks_come_in_the_order_of_the_hardware() -> None:
    root = envelope(item(17, HostResource="ovf:/disk/d2"), item(17, HostResource="ovf:/disk/d1"))
    section = root.find("{*}DiskSection")
    assert section is not None
    section.append(Ovf.Disk(a(diskId="d2", capacity="7")))
    assert [disk.capacity_bytes for disk in read(root).disks] == [7, 20 << 30]


@pytest.mark.parametrize(
    ("root", "reason"),
    [
        (Ovf.Envelope(), "bad_ovf"),
        (Ovf.Other(Ovf.VirtualSystem()), "bad_ovf"),
        (Ovf.Envelope(Ovf.VirtualSystemCollection(Ovf.VirtualSystem(), Ovf.VirtualSystem())), "several"),
        (Ovf.Envelope(Ovf.VirtualSystemCollection(Ovf.VirtualSystem())), "several"),
        (envelope(files={"f1": "http://example.org/x.vmdk"}), "elsewhere"),
        (envelope(files={"f1": "../x.vmdk"}), "elsewhere"),
        (envelope(files={"f1": "/etc/shadow"}), "elsewhere"),
        (envelope(files={"f2": "x.vmdk"}), "elsewhere"),
        (envelope(parentRef="d0"), "disk_kind"),
        (envelope(capacity="-1"), "bad_ovf"),
        (envelope(capacity="9" * 30), "bad_ovf"),
        (envelope(capacityAllocationUnits="pages"), "bad_ovf"),
        (envelope(item(3, VirtualQuantity="x")), "bad_ovf"),
        (envelope(item(17, HostResource="ovf:/disk/d9")), "bad_ovf"),
        (envelope(*(item(17, HostResource="ovf:/disk/d1") for _ in range(17))), "bad_ovf"),
    ],
)
def test_what_becomes_no_vm(root: etree._Element, reason: str) -> None:
    with pytest.raises(BadXML, match=f"^{reason}$"):
        read(root)


def test_a_packed_file_is_not_taken() -> None:
    root = envelope()
    file = root.find("{*}References/{*}File")
    assert file is not None
    file.set(f"{{{OVF}}}compression", "gzip")
    with pytest.raises(BadXML, match="disk_kind"):
        read(root)


@pytest.mark.parametrize(
    "text", ["", "<", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/shadow">]><Envelope>&a;</Envelope>', "<Envelope/>"]
)
def test_no_envelope(text: str) -> None:
    with pytest.raises(BadXML, match="bad_ovf"):
        read_ovf(text)
