"""Makes the demo's three VMs on a host, one with snapshots, and takes away what it made and nothing else."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import chain, count
from typing import Final

from vms.demo import snapshots
from vms.demo.documents import Fittings, Role, domain_document, role_of, volume_document
from vms.demo.guest import Guest
from vms.errors import VirtError
from vms.libvirtxml import DEFINE, DomainXML, pool_document
from vms.virt import Connection, Domain, DomainInfo, define

POOL: Final = "kvmweb-demo"
# What one may install from.
IMAGES: Final = "kvmweb-demo-images"
POOLS: Final = (POOL, IMAGES)
FOLDER: Final = "/var/lib/libvirt/images"
NETWORK: Final = "default"
DISK_BYTES: Final = 1 << 30
OURS: Final = re.compile(r"(demo-[0-9a-f]{16}\.iso|[0-9a-f-]{36}\.qcow2)")
BOOT_SECONDS: Final = 60.0
HOW_TO_REMOVE: Final = "Made by scripts/run --demo; scripts/run --demo-remove takes it away."
ROLES: Final = (
    Role("demo-web", "running", "Demo web server", f'Answers "hello from" and its name on port 80. {HOW_TO_REMOVE}'),
    Role("demo-db", "paused", "Demo database", f"Paused while it counts. {HOW_TO_REMOVE}"),
    Role("demo-build", "shut_off", "Demo build machine", f"Shut off, to be started. {HOW_TO_REMOVE}"),
)

Say = Callable[[str], None]


def ours(connection: Connection) -> Iterator[tuple[str, DomainInfo]]:
    """(role, domain) of the demo's VMs that the host has."""
    for info in connection.domains():
        role = role_of(info.next_boot_xml) if info.next_boot_xml else ""
        if role:
            yield role, info


def make(connection: Connection, guest: Callable[[], Guest], say: Say, *, elsewhere: Container[str] = ()) -> list[str]:
    """The UUIDs of the demo's VMs there; those that are missing have been made. guest is asked only where one is.
    elsewhere: the roles of those that somebody moved to another host.

    Those that should run are started: after a reboot of the host, or where an earlier run was interrupted.
    """
    present = {role: info.uuid for role, info in ours(connection)}
    missing = [role for role in ROLES if role.name not in present and role.name not in elsewhere]
    if missing:
        away = any(role.name in elsewhere for role in ROLES)
        iso = place_iso(connection, guest(), fresh=not present and not away)
        make_pool(connection, POOL)
        network = start_network(connection, say)
        domain_type = connection.info().domain_type
        for role in missing:
            present[role.name] = define_one(connection, role, iso, network, domain_type, say)
    keep(connection, present, say)
    start(connection, present, say)
    return list(present.values())


def keep(connection: Connection, uuids: dict[str, str], say: Say) -> None:
    """Take the snapshots of the one that stays off, where it has none."""
    for role in ROLES:
        if role.state != "shut_off" or role.name not in uuids:
            continue
        domain = connection.domain(uuids[role.name])
        name = domain.info().name
        try:
            taken = snapshots.make(domain)
        except VirtError as error:
            say(f"No snapshots of {name}: {error.details}")
        else:
            if taken:
                say(f"{name}: {taken} snapshots taken")


def start(connection: Connection, uuids: dict[str, str], say: Say) -> None:
    """Start those of the roles' VMs that are off and should not be, and pause what is to be paused."""
    wanted = [role for role in ROLES if role.state != "shut_off" and role.name in uuids]
    domains = {role: connection.domain(uuids[role.name]) for role in wanted}
    started = {role: domain for role, domain in domains.items() if domain.state()[0] == "shut_off"}
    if any(domain.networks() for domain in started.values()):
        start_network(connection, say)
    for domain in started.values():
        domain.start()
    await_addresses(connection, started.values())
    for role, domain in started.items():
        if role.state == "paused":
            domain.pause()


def place_iso(connection: Connection, guest: Guest, *, fresh: bool) -> str:
    """The path of the guest's CD in the demo's pool for images. fresh: no VM uses one, so one that is there may be half
    a file."""
    make_pool(connection, IMAGES)
    name = f"demo-{guest.recipe}.iso"
    there = name in define.volumes(connection, IMAGES)
    if there and not fresh:
        return define.volume_path(connection, IMAGES, name)
    if there:
        define.delete_volume(connection, IMAGES, name)
    path = define.create_volume(connection, IMAGES, volume_document(name, "raw", guest.iso.stat().st_size))
    define.upload(connection, IMAGES, name, guest.iso)
    return path


def make_pool(connection: Connection, name: str) -> None:
    """The demo's pool of that name, running."""
    if all(pool.name != name for pool in connection.pools()):
        define.make_pool(connection, pool_document(name, f"{FOLDER}/{name}"))
    define.start_pool(connection, name)


def start_network(connection: Connection, say: Say) -> str:
    """The network for the VMs' cards, running; "" where the host has none that runs."""
    if all(network.name != NETWORK for network in connection.networks()):
        say(f"No network {NETWORK!r} here, so the demo VMs have no network card.")
        return ""
    try:
        connection.start_network(NETWORK)
    except VirtError as error:
        say(f"Network {NETWORK!r} does not start, so the demo VMs have no network card: {error.details}")
        return ""
    return NETWORK


def define_one(connection: Connection, role: Role, iso: str, network: str, domain_type: str, say: Say) -> str:
    """The UUID of the new VM; its name is the next free one."""
    name = free_name(role.name, {info.name for info in connection.domains()})
    identity = str(uuid.uuid4())
    disk = define.create_volume(connection, POOL, volume_document(f"{identity}.qcow2", "qcow2", DISK_BYTES))
    document = domain_document(role, identity, name, Fittings(domain_type, iso, disk, network))
    connection.define_domain(document, allowed=frozenset({DEFINE}))
    say(f"{name} made")
    return identity


def free_name(wanted: str, taken: set[str]) -> str:
    """demo-web, else demo-web-2 and so on."""
    return next(name for name in chain([wanted], (f"{wanted}-{number}" for number in count(2))) if name not in taken)


def await_addresses(connection: Connection, domains: Iterable[Domain]) -> None:
    """Return when the guests have booted, which shows by their addresses, or when they had the time to."""
    macs = {mac for domain in domains for mac in DomainXML.parse(domain.info().next_boot_xml).macs}
    if not macs:
        return
    until = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < until and not macs <= set(connection.leases()):
        time.sleep(0.5)
    time.sleep(1)  # from the server's answer to the guest's use of it


def remove(connection: Connection, say: Say) -> list[str]:
    """The UUIDs of the VMs that were removed, with their volumes and the demo's pools where nothing else is in them."""
    removed = remove_domains(connection, say)
    for pool in connection.pools():
        if pool.name not in POOLS or pool.path != f"{FOLDER}/{pool.name}":
            continue
        define.start_pool(connection, pool.name)
        for name in define.volumes(connection, pool.name):
            if OURS.fullmatch(name):
                define.delete_volume(connection, pool.name, name)
        if not define.volumes(connection, pool.name):
            define.remove_pool(connection, pool.name)
    return removed


def remove_domains(connection: Connection, say: Say) -> list[str]:
    """The UUIDs of the demo's VMs that were there and are removed; their volumes stay."""
    removed = []
    for _, info in ours(connection):
        define.remove_domain(connection, info.uuid)
        removed.append(info.uuid)
        say(f"{info.name} removed")
    return removed
