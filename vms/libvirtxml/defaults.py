"""The documents that "Get it ready" defines where nothing of that name exists."""

from __future__ import annotations

from lxml.builder import E

from vms.libvirtxml.document import serialize


def network_document(name: str, subnet: str) -> str:
    """A NAT network on SUBNET.0/24, such as "192.168.122"; libvirt picks a free bridge name."""
    return serialize(
        E.network(
            E.name(name),
            E.forward(mode="nat"),
            E.bridge(stp="on", delay="0"),
            E.ip(
                E.dhcp(E.range(start=f"{subnet}.2", end=f"{subnet}.254")),
                address=f"{subnet}.1",
                netmask="255.255.255.0",
            ),
        )
    )


def pool_document(name: str, path: str) -> str:
    """A pool that is a folder."""
    return serialize(E.pool(E.name(name), E.target(E.path(path)), type="dir"))
