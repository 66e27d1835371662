"""Devices as libvirt writes them, and as this room says them."""

from __future__ import annotations

from lxml import etree

from vms.virt import Connection
from vms.virt.devices import described, is_card_of_vm

CARD = """<device><name>pci_0000_01_00_0</name><parent>pci_0000_00_01_0</parent><driver><name>ixgbe</name></driver>
<capability type='pci'><class>0x020000</class><domain>0</domain><bus>1</bus><slot>0</slot><function>0</function>
<product id='0x10fb'>82599ES</product><vendor id='0x8086'>Intel</vendor>
<capability type='virt_functions' maxCount='63'>
<address domain='0x0000' bus='0x01' slot='0x10' function='0x0'/></capability>
<capability type='mdev_types'><type id='nvidia-11'><name>GRID</name><deviceAPI>vfio-pci</deviceAPI>
<availableInstances>16</availableInstances></type></capability>
<iommuGroup number='15'>
<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></iommuGroup></capability></device>"""
FUNCTION = """<device><name>vf</name>
<capability type='pci'><domain>0</domain><bus>1</bus><slot>16</slot><function>1</function>
<capability type='phys_function'><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></capability>
</capability></device>"""
CARD_OF_NODE = """<device><name>x</name><capability type='pci'><numa node='1'/></capability></device>"""
OF_NO_NODE = "<device><name>x</name><capability type='pci'><numa node='-1'/></capability></device>"
NONSENSE = "<device><name>x</name><capability type='pci'><bus>-1</bus><iommuGroup number='a'/></capability></device>"


def test_a_card_with_functions_and_instances() -> None:
    card, split = described(etree.fromstring(CARD))
    assert (card.address, card.driver, card.vendor, card.product_id) == ("0000:01:00.0", "ixgbe", "Intel", "0x10fb")
    assert (card.iommu_group, card.functions, card.most_functions) == (15, 1, 63)
    assert (split.kind, split.parent, split.product, split.free) == ("mdev_type", "pci_0000_01_00_0", "GRID", 16)
    [function] = described(etree.fromstring(FUNCTION))
    assert (function.address, function.physical) == ("0000:01:10.1", "0000:01:00.0")


def test_the_cards_of_vms_are_none_of_the_hosts() -> None:
    names = ("net_vnet0_fe_54_00_11_22_33", "net_macvtap3_52_54_00", "net_enp3s0_11_22", "pci_0000_00_03_0")
    assert [is_card_of_vm(name) for name in names] == [True, True, False, False]


def test_the_node_that_a_card_is_next_to() -> None:
    told = [described(etree.fromstring(text))[0].numa_node for text in (CARD_OF_NODE, OF_NO_NODE, FUNCTION)]
    assert told == [1, None, None]


def test_nonsense_is_no_error() -> None:
    [told] = described(etree.fromstring(NONSENSE))
    assert (told.address, told.iommu_group) == ("0000:00:00.0", 0)


def test_a_driver_that_tells_little_is_read(connection: Connection) -> None:
    hardware = connection.hardware()
    assert (hardware.kvm, hardware.qemu_user, hardware.cgroups) == (None, "", None)
    assert connection.devices() == ()
    connection.host_numbers({0: (2048,)})
