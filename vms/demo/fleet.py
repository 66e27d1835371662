"""A host with a thousand VMs of which nothing is real: libvirt's test driver, inside the libvirt that runs here anyway.

It is one for everybody who asks that libvirt for it, and forgets what was defined when nobody is connected any more: so
the watcher's connection is what keeps it, and each start of the demo makes it anew, with the same UUIDs.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Final

from lxml.builder import E

from vms.libvirtxml import DEFINE, serialize
from vms.virt import Connection

NAME: Final = "demo-fleet"
SIZE: Final = 1000
SPACE: Final = uuid.UUID("5b4f5a4e-2f0c-5c55-9a3c-6b766d776562")
SITES: Final = ("ams", "ber", "cph", "dub", "lis", "mad", "osl", "prg", "vie", "waw")
ROLES: Final = ("web", "db", "cache", "queue", "build", "mail", "dns", "files")


def name(number: int) -> str:
    """ "ber-web-017", no two alike."""
    return f"{SITES[number % len(SITES)]}-{ROLES[number // len(SITES) % len(ROLES)]}-{number:03}"


def identity(number: int) -> str:
    return str(uuid.uuid5(SPACE, str(number)))


def document(number: int) -> str:
    """The definition of one; small, because a thousand are read."""
    return serialize(
        E.domain(
            E.name(name(number)),
            E.uuid(identity(number)),
            E.title(f"Demo fleet, {ROLES[number // len(SITES) % len(ROLES)]} in {SITES[number % len(SITES)]}"),
            E.memory(str(512 << number % 5), unit="MiB"),
            E.vcpu(str(1 + number % 4)),
            E.os(E.type("hvm", arch="x86_64")),
            type="test",
        )
    )


def state(number: int) -> str:
    """Of ten, six run, three are off and one is paused."""
    return ("running", "running", "shut_off", "running", "running", "shut_off", "paused", "running", "shut_off",
            "running")[(number * 7 + number // 10) % 10]  # fmt: skip


def make(connection: Connection, say: Callable[[str], None]) -> None:
    """Those of the thousand that are missing."""
    present = set(connection.states())
    missing = [number for number in range(SIZE) if identity(number) not in present]
    for number in missing:
        domain = connection.define_domain(document(number), allowed=frozenset({DEFINE}))
        if state(number) != "shut_off":
            domain.start()
        if state(number) == "paused":
            domain.pause()
    if missing:
        say(f"{len(missing)} VMs of {NAME} made")
