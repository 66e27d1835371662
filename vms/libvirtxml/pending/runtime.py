"""What libvirt and QEMU fill in while a VM runs, and how a document looks without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lxml import etree

from vms.libvirtxml.difference.canonical import Node, Way
from vms.libvirtxml.difference.lines import Line, Table

# In the document of the run and not in the one of the next start; how lines are read says difference/lines.py. An
# element goes with all that is in it.
FILLED: Final = Table(
    Line.parse("", line.partition("  #")[0].strip())
    for line in """
        + @id = *
        + genid = *
        + resource
        + seclabel
        + seclabel/**
        + seclabel/@relabel = *
        + seclabel/@model = *
        + os/loader = *
        + os/loader/** = *
        + os/nvram = *
        + os/nvram/** = *
        + os/firmware
        + vcpu/@cpuset = *  # placement by numad
        + numatune/memory/@nodeset = *
        + iothreadids
        + cpu/@migratable = *
        + launchSecurity/cbitpos = *
        + launchSecurity/reducedPhysBits = *
        + devices/*/driver/@iommu_platform = *
        + devices/disk/driver/@type = *  # of an empty drive
        + devices/disk/target/@tray = *
        + devices/disk/source/@index = *
        + devices/disk/source/encryption/@engine = *
        + devices/disk/source/slices
        + devices/disk/source/@tls = *
        + devices/interface/target
        + devices/interface/target/@dev = *
        + devices/interface/virtualport
        + devices/interface/virtualport/**
        + devices/interface/vlan  # of the network's port group
        + devices/interface/mtu
        + devices/interface/backend
        + devices/interface/driver
        + devices/interface/driver/@name = *
        + devices/channel/source
        + devices/channel/source/@mode = *
        + devices/channel/source/@path = *
        + devices/*/source/@tls = *
        + devices/*/protocol
        + devices/graphics/@listen = *
        + devices/graphics/@socket = *
        + devices/graphics/@websocket = *
        + devices/graphics/@port = *
        + devices/graphics/@tlsPort = *
        + devices/graphics/listen/@address = *
        + devices/graphics/listen/@socket = *
        + devices/graphics/gl/@rendernode = *
        + devices/graphics[@type=egl-headless]/gl
        + devices/graphics/channel
        + devices/hostdev/driver
        + devices/hostdev/driver/@name = *
        + devices/hostdev/source/address  # of a USB device that is named by its product
        + devices/memory/target/current = *
        + devices/tpm/backend/profile
        + devices/tpm/backend/profile/** = *
        + devices/vsock/cid/@address = *
        + devices/filesystem/binary
        + devices/filesystem/source/@socket = *
    """.strip().splitlines()
)
# Names of machines that libvirt resolves when it defines, and how what comes of them begins.
MACHINES: Final = {"pc": "pc-i440fx-", "q35": "pc-q35-", "virt": "virt-"}
CHARACTERS: Final = ("serial", "parallel", "console", "channel")


def cleaned(root: etree._Element) -> etree._Element:
    """The tree, which is changed, without what means nothing in either document: aliases that libvirt gave, addresses
    in the guest, the host's side of pseudo-terminals and of cards in networks, the clock that the guest has set."""
    for clock in root.iterfind("clock[@offset='variable']"):
        clock.attrib.pop("adjustment", "")
    for name in ("genid", "vcpus"):
        for element in root.findall(name):
            root.remove(element)
    for device in root.iterfind("devices/*"):
        for child in list(device):
            own_alias = child.tag == "alias" and not (child.get("name") or "").startswith("ua-")
            if own_alias or child.tag == "address":
                device.remove(child)
        tidy(device)
    return root


def tidy(device: etree._Element) -> None:
    """One device of it."""
    for element in device.iterfind("source[@missing]"):
        del element.attrib["missing"]
    if device.tag in CHARACTERS:
        device.attrib.pop("tty", "")
        for element in device.iterfind("target"):
            element.attrib.pop("state", "")
            # Those of other than serial lines are counted anew when it starts.
            if device.tag == "console":
                element.attrib.pop("port", "")
        for element in device.findall("source") if device.get("type") == "pty" else ():
            device.remove(element)
    elif device.tag == "interface":
        source = device.find("source[@network]")
        if source is not None:
            device.set("type", "network")
            for name in {str(each) for each in source.attrib} - {"network", "portgroup"}:
                del source.attrib[name]
        else:
            for element in device.iterfind("source"):
                element.attrib.pop("portid", "")
    elif device.tag == "disk":
        # The chain is what lies in the files, and what QEMU opened of it.
        for element in [*device.findall("backingStore"), *device.findall("mirror")]:
            device.remove(element)
        if device.get("device") in ("cdrom", "floppy") and device.find("source") is None:
            for element in device.iterfind("driver"):
                element.attrib.pop("type", "")
    elif device.tag == "graphics" and device.get("websocket") == "-1":
        del device.attrib["websocket"]


def settle(run: Node, then: Node, way: Way = (), nodes: tuple[Node, ...] = ()) -> Node:
    """The node of the run without what is filled in beside what the next start's says. way, nodes: to it, below the
    root."""
    kept = {
        name: value
        for name, value in run.attributes.items()
        if name in then.attributes or not is_filled((*way, f"@{name}"), nodes, value)
    }
    children = []
    for tag, found in run.by_name.items():
        others = then.by_name.get(tag, [])
        for place, child in enumerate(found):
            if place < len(others):
                children.append(settle(child, others[place], (*way, tag), (*nodes, child)))
            elif not is_filled((*way, tag), (*nodes, child), child.text):
                children.append(child)
    full = MACHINES.get(then.get("machine") or "") if way == ("os", "type") else None
    if full and (kept.get("machine") or "").startswith(full):
        kept["machine"] = then.attributes["machine"]
    return replace(run, attributes=kept, children=tuple(children))


def is_filled(way: Way, nodes: tuple[Node, ...], value: str) -> bool:
    return FILLED.privilege(way, nodes, value, "added") is not None
