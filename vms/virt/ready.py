"""What a fresh libvirt lacks for its first VM: a running network and a place for disks, both named default."""

from __future__ import annotations

from typing import Any, Final

import libvirt

from vms.libvirtxml import network_document, pool_document
from vms.virt import facts, pools
from vms.virt.values import PoolInfo

NAME: Final = "default"
POOL_PATH: Final = "/var/lib/libvirt/images"
SUBNETS: Final = ("192.168.122", "192.168.124", "192.168.126", "192.168.128")


def missing(handle: Any) -> list[str]:
    """The steps that are still to be done."""
    network = next((known for known in facts.networks(handle) if known.name == NAME), None)
    pool = known_pool(handle)
    steps = [
        ("network_defined", network is None),
        ("network_started", network is None or not network.active),
        ("network_autostart", network is None or not network.autostart),
        ("pool_defined", pool is None),
        ("pool_started", pool is None or not pool.active),
        ("pool_autostart", pool is None or not pool.autostart),
    ]
    return [step for step, needed in steps if needed]


def known_pool(handle: Any) -> PoolInfo | None:
    """The pool default, or whichever pool is the usual folder already."""
    found = pools.known(handle)
    return next((pool for pool in found if pool.name == NAME), None) or next(
        (pool for pool in found if pool.path == POOL_PATH), None
    )


def make_ready(handle: Any) -> list[str]:
    """Do the missing steps; which they were."""
    steps = missing(handle)
    if "network_defined" in steps:
        define_network(handle)
    network = handle.networkLookupByName(NAME)
    start_network(network)
    if "network_autostart" in steps:
        network.setAutostart(1)
    if "pool_defined" in steps:
        handle.storagePoolDefineXML(pool_document(NAME, POOL_PATH)).build(0)
    known = known_pool(handle)
    pool = handle.storagePoolLookupByName(known.name if known else NAME)
    if not pool.isActive():
        pool.create()
    if "pool_autostart" in steps:
        pool.setAutostart(1)
    return steps


def define_network(handle: Any) -> None:
    """Define and start it on the first subnet that the host does not use for something else."""
    for subnet in SUBNETS:
        network = handle.networkDefineXML(network_document(NAME, subnet))
        try:
            network.create()
            return
        except libvirt.libvirtError:
            network.undefine()
            if subnet == SUBNETS[-1]:
                raise


def start_network(network: Any) -> bool:
    """Start it; whether it was stopped."""
    if network.isActive():
        return False
    network.create()
    return True
