"""Virtual networks of a host."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final

import libvirt

from vms.errors import BadDocument
from vms.libvirtxml import BadXML, NetworkXML, Update, updates
from vms.virt.optional import listed, optional
from vms.virt.values import LeaseInfo, NetworkInfo

logger = logging.getLogger(__name__)

SECTIONS: Final = {
    "range": libvirt.VIR_NETWORK_SECTION_IP_DHCP_RANGE,
    "lease": libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST,
    "dns_host": libvirt.VIR_NETWORK_SECTION_DNS_HOST,
    "portgroup": libvirt.VIR_NETWORK_SECTION_PORTGROUP,
}


class Network:
    """A network on its host. Every method raises VirtError leaves."""

    def __init__(self, handle: Any, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self.handle = handle
        self.guard = guard

    def info(self) -> NetworkInfo:
        with self.guard():
            return describe(self.handle)

    def start(self) -> None:
        with self.guard():
            self.handle.create()

    def stop(self) -> None:
        """Who is connected stays so, to nothing, until it is started and the VM too."""
        with self.guard():
            self.handle.destroy()

    def start_with_host(self, enabled: bool) -> None:
        with self.guard():
            self.handle.setAutostart(int(enabled))

    def undefine(self) -> None:
        """Let the host forget a stopped network."""
        with self.guard():
            self.handle.undefine()

    def modify(self, edit: Callable[[NetworkXML], object]) -> bool:
        """Read the kept definition, edit it in place, define it, and change the running network as far as libvirt can.

        Whether the edit changed anything. Raises what edit raises.
        """
        with self.guard():
            document = read(self.handle, kept=True)
            before = document.text
            edit(document)
            if document.text == before:
                return False
            self.handle.connect().networkDefineXML(document.text)
            if self.handle.isActive():
                kept = read(self.handle, kept=True)
                for step in updates(read(self.handle, kept=False), kept):
                    apply(self.handle, step)
            return True


def apply(handle: Any, step: Update) -> None:
    """Change the running network; what it cannot have before a restart it gets then, as its definition says."""
    command = libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST if step.add else libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE
    try:
        handle.update(command, SECTIONS[step.what], step.place, step.text, libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE)
    except libvirt.libvirtError as error:
        logger.info("%s: %s applies after a restart: %s", handle.name(), step.what, error)


def read(handle: Any, *, kept: bool) -> NetworkXML:
    """The definition that is kept, or that it runs with."""
    try:
        return NetworkXML.parse(handle.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE if kept else 0))
    except BadXML as error:
        raise BadDocument(str(error)) from None


def known(handle: Any) -> tuple[NetworkInfo, ...]:
    """A host's networks by name; none where it has no driver for them."""
    found = (describe_if_there(network) for network in listed(handle.listAllNetworks))
    return tuple(sorted((info for info in found if info), key=lambda info: info.name))


def describe_if_there(network: Any) -> NetworkInfo | None:
    """The value, or None for a network that has vanished since it was listed."""
    try:
        return describe(network)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK:
            return None
        raise


def describe(network: Any) -> NetworkInfo:
    active = bool(network.isActive())
    live = network.XMLDesc(0) if active else ""
    text = optional(lambda: network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE), "") or live
    document = read_text(text)
    return NetworkInfo(
        uuid=network.UUIDString(),
        name=network.name(),
        active=active,
        autostart=bool(optional(network.autostart, 0)),
        persistent=bool(optional(network.isPersistent, 1)),
        mode=document.mode if document else "",
        bridge=(document.bridge or "") if document else "",
        document=text,
        live_document=live,
        leases=tuple(sorted(set(leases(network)), key=lambda lease: (lease.address, lease.mac))) if active else (),
    )


def read_text(text: str) -> NetworkXML | None:
    try:
        return NetworkXML.parse(text)
    except BadXML:
        return None


def leases(network: Any) -> Iterator[LeaseInfo]:
    """What its DHCP has given."""
    for lease in listed(network.DHCPLeases):
        six = lease.get("type") == libvirt.VIR_IP_ADDR_TYPE_IPV6
        mac, duid = (lease.get("mac") or "").lower(), (lease.get("clientid") or "").lower() if six else ""
        if lease.get("ipaddr") and (mac or duid):
            yield LeaseInfo(mac, lease["ipaddr"], lease.get("hostname") or "", duid)


def given(handle: Any) -> list[LeaseInfo]:
    """The leases of all networks that run."""
    active = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE
    return [lease for network in listed(lambda: handle.listAllNetworks(active)) for lease in leases(network)]
