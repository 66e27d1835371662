"""What a real host is made of, its interfaces and its check, against what it says at its own prompt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lxml import etree

from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from vms.virt.hardware import read

LOOK = "from vms import live; live.look({host}, 'hardware:{host}', wait=0)"


@pytest.fixture
def host_id(dashboard: Dashboard) -> int:
    return int(dashboard.get("/hosts")["items"][0]["id"])


@pytest.fixture
def bridge(lab_host: LabHost) -> Iterator[str]:
    """A bridge of the host's, with one end of a cable in it."""
    lab_host.run("ip", "link", "add", "br-lan", "type", "bridge")
    lab_host.run("ip", "link", "add", "cable0", "type", "veth", "peer", "name", "cable1")
    lab_host.run("ip", "link", "set", "cable0", "master", "br-lan")
    yield "br-lan"
    lab_host.run("ip", "link", "del", "cable0")
    lab_host.run("ip", "link", "del", "br-lan")


def test_the_host_is_told_as_it_is(dashboard: Dashboard, lab_host: LabHost, host_id: int, bridge: str) -> None:
    before = eventually(lambda: dashboard.get(f"/hosts/{host_id}/check")["read_at"], "the host is read", within=60)
    dashboard.do(LOOK.format(host=host_id))

    mac = lab_host.run("cat", f"/sys/class/net/{bridge}/address").strip()

    def link() -> tuple[str, ...] | None:
        told = dashboard.get(f"/hosts/{host_id}")["facts"]["links"]
        found = [(each["kind"], *each["parts"], each["mac"]) for each in told if each["name"] == bridge]
        return found[0] if found == [("bridge", "cable0", mac)] else None

    eventually(link, "Check again reads the interfaces too")
    check = eventually(
        lambda: (told := dashboard.get(f"/hosts/{host_id}/check"))["read_at"] != before and told, "the check is anew"
    )
    results = {line["code"]: line for line in check["lines"]}
    uefi = "<value>efi</value>" in lab_host.virsh("domcapabilities", "--machine", "q35")
    assert (results["firmware"]["result"] == "pass") is uefi
    assert results["qemu_user"]["result"] == "fail", "the lab's QEMU is root"
    assert all(line["means"] for line in check["lines"])
    for kind in ("pci", "usb_device"):
        names = set(lab_host.virsh("nodedev-list", "--cap", kind).split())
        shown = {each["name"] for each in dashboard.get(f"/hosts/{host_id}/devices?page_size=200")["items"]}
        assert names <= shown or len(shown) == 200


def test_what_decides_whether_a_vm_can_come(lab_host: LabHost) -> None:
    """Its best processor with the features that libvirt lists and those that its model implies, and how many
    processors each machine type takes."""
    told = read(lab_host.connect())
    shown = etree.fromstring(lab_host.virsh("domcapabilities", "--virttype", "kvm" if told.kvm else "qemu"))
    listed = shown.find("cpu/mode[@name='host-model']")
    assert told.guest_cpu and listed is not None
    assert told.guest_cpu.model == listed.findtext("model")
    names = {one.get("name") for one in listed.findall("feature") if one.get("policy") == "require"}
    lacks = {one.get("name") for one in listed.findall("feature") if one.get("policy") == "disable"}
    assert names < set(told.guest_cpu.features) and not lacks & set(told.guest_cpu.features)
    assert len(told.most_vcpus) == len(told.machines) and min(told.most_vcpus) > 0
