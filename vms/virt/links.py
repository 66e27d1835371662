"""Reading a host's network interfaces: from its interface driver, which knows what they are made of, and from its
devices, which are all that there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import libvirt
from lxml import etree

from vms.libvirtxml import parse
from vms.virt.optional import listed, optional
from vms.virt.values import LinkInfo

# Cards that libvirt makes for running VMs come and go with them.
OF_VMS: Final = ("vnet", "macvtap", "tap")
# And so do the bridges of its networks.
NO_LINKS: Final = (*OF_VMS, "virbr")
KINDS: Final = ("ethernet", "bridge", "bond", "vlan")
NET: Final = libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET
LONGEST: Final = 255


def read(handle: Any) -> tuple[LinkInfo, ...]:
    """Its interfaces by name; those of VMs and of libvirt's own networks are left out."""
    found = {link.name: link for device in listed(lambda: handle.listAllDevices(NET)) if (link := card(device))}
    for interface in listed(handle.listAllInterfaces):
        root = optional(lambda told=interface: parse(told.XMLDesc(0)), None)  # type: ignore[misc]
        if root is not None:
            name = interface.name()
            found[name] = described(root, interface, found.get(name, LinkInfo(name, "")))
    return tuple(
        link for name, link in sorted(found.items()) if name not in ("", "lo") and not name.startswith(NO_LINKS)
    )


def card(device: Any) -> LinkInfo | None:
    """What its device tells; None for one that has gone since it was listed."""
    root = optional(lambda: parse(device.XMLDesc(0)), None)
    if root is None:
        return None
    name = (root.findtext("capability/interface") or "")[:LONGEST]
    state, speed = state_of(root.find("capability/link"))
    return LinkInfo(name, "", (root.findtext("capability/address") or "")[:LONGEST].lower(), state, speed)


def described(root: etree._Element, interface: Any, device: LinkInfo) -> LinkInfo:
    """What the interface driver says, and where it says nothing, the device."""
    kind = root.get("type")
    state, speed = state_of(root.find("link"))
    active: int | None = optional(interface.isActive, None)
    return LinkInfo(
        name=device.name,
        kind=kind if kind in KINDS else "",
        mac=optional(lambda: str(interface.MACString()), "").lower() or device.mac,
        state=state or device.state or ("" if active is None else "up" if active else "down"),
        speed=speed or device.speed,
        parts=tuple(sorted({part for part in parts(root) if not part.startswith(OF_VMS)})),
        addresses=tuple(addresses(root)),
    )


def state_of(link: etree._Element | None) -> tuple[str, int]:
    """(state, Mbit/s); libvirt leaves the speed out while there is none."""
    if link is None:
        return "", 0
    told = str(link.get("speed") or "")
    return str(link.get("state") or "")[:LONGEST], int(told) if told.isascii() and told.isdigit() and len(
        told
    ) < 10 else 0


def parts(root: etree._Element) -> Iterator[str]:
    for path in ("bridge/interface", "bond/interface", "vlan/interface"):
        yield from (str(each.get("name") or "")[:LONGEST] for each in root.findall(path)[:64])


def addresses(root: etree._Element) -> Iterator[str]:
    for told in root.findall("protocol/ip")[:64]:
        if told.get("address"):
            yield f"{told.get('address')}/{told.get('prefix')}" if told.get("prefix") else str(told.get("address"))
