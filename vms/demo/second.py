"""The demo's second host, as the dashboard's: its row, pools that are one storage with this machine's, and the way by
which VMs move. Its processes and files are root's (kvmweb.second), who says in a file how one comes to it.

What somebody moved there is his: the host stays as long as it has a VM or a pool that the demo did not make.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction

from vms import live
from vms.demo import machines
from vms.demo.machines import Say
from vms.errors import RequestRefused
from vms.models import Host, MoveRoute, StoragePool
from vms.services import audit, host_changes, storages
from vms.virt import Connection, define

NAME: Final = "demo-second"
# Who starts the dashboard in a terminal is no account.
ADDRESS: Final = "scripts/run"
KNOWN_WITHIN: Final = 60.0


@dataclass(frozen=True)
class Way:
    """How one comes to it. here, there: the addresses at which this machine's QEMU and its own reach each other."""

    uuid: str
    socket: str
    here: str
    there: str


def way() -> Way | None:
    """None where nobody has begun it."""
    path: Path = settings.ENVIRONMENT.state.second / "way.json"
    if not path.exists():
        return None
    told = json.loads(path.read_text())
    return Way(told["uuid"], told["socket"], *told["addresses"])


def row() -> Host | None:
    """By its socket, whatever somebody called it."""
    folder = settings.ENVIRONMENT.state.second
    return Host.objects.filter(
        transport=Host.Transport.UNIX, driver=Host.Driver.QEMU, socket__startswith=f"{folder}/", removed_at=None
    ).first()  # fmt: skip


def add(found: Way, say: Say) -> Host:
    """Its row, where there is none; the one that somebody took out comes back."""
    if host := row():
        return host
    taken = set(Host.objects.filter(removed_at=None).values_list("name", flat=True))
    fields = {
        "name": machines.free_name(NAME, taken), "transport": Host.Transport.UNIX, "socket": found.socket,
        "node": settings.ENVIRONMENT.node, "removed_at": None,
    }  # fmt: skip
    with transaction.atomic():
        host, _ = Host.objects.update_or_create(libvirt_uuid=found.uuid, driver=Host.Driver.QEMU, defaults=fields)
        audit.record("added:host", target=host, address=ADDRESS, transport=host.transport, driver=host.driver)
        live.announce([f"host:{host.pk}"])
    say(f"{host.name} added")
    return host


def settle(here: Host, there: Host, found: Way, connection: Connection, say: Say) -> None:
    """Let the demo's VMs move between the two by themselves."""
    for name in machines.POOLS:
        machines.make_pool(connection, name)
    for source, target, address in ((here, there, found.there), (there, here, found.here)):
        lead(source, target, address)
    until = time.monotonic() + KNOWN_WITHIN
    for name in machines.POOLS:
        refused = join(here, there, name)
        while refused and time.monotonic() < until:
            time.sleep(0.5)
            look(here, there, name)
            refused = join(here, there, name)
        if refused:
            say(f"The pools {name} of both hosts are not one storage yet ({refused}); the next start tries again")


def lead(source: Host, target: Host, address: str) -> None:
    """Memory goes in clear text, which leaves this machine nowhere, at the addresses of the cable that there is now. A
    way that an administrator set stays."""
    with transaction.atomic():
        route, made = MoveRoute.objects.get_or_create(
            source=source, target=target, defaults={"way": MoveRoute.Way.CLEAR, "address": address}
        )
        moved = route.way == MoveRoute.Way.CLEAR and route.address != address
        if moved:
            MoveRoute.objects.filter(pk=route.pk).update(address=address)
        if made or moved:
            audit.record(
                "changed:move-route", target=source, address=ADDRESS, to=target.name, way=MoveRoute.Way.CLEAR.value,
                peer=False,
            )  # fmt: skip


def look(here: Host, there: Host, name: str) -> None:
    """Have the watcher read the pools of that name again: what is known of one may be older than the demo's disks."""
    for pk, host in StoragePool.objects.filter(host__in=[here, there], name=name).values_list("pk", "host_id"):
        live.look(host, f"pool:{pk}")


def join(here: Host, there: Host, name: str) -> str:
    """Why the pools of that name are not one storage, a code; "" where they are."""
    pools = list(StoragePool.objects.filter(host__in=[here, there], name=name, present=True).select_related("host"))
    if len(pools) < 2:
        return "unknown"
    if pools[0].storage_id != pools[1].storage_id:
        try:
            storages.unite(pools[0], pools[1], address=ADDRESS)
        except RequestRefused as refused:
            return refused.code
    return ""


def foreign(connection: Connection) -> list[str]:
    """The names of the VMs and pools there that the demo did not make."""
    own = {info.uuid for _, info in machines.ours(connection)}
    vms = [info.name for info in connection.domains() if info.uuid not in own]
    return sorted(vms + [pool.name for pool in connection.pools() if pool.name not in machines.POOLS])


def empty(connection: Connection, say: Say) -> list[str]:
    """The UUIDs of the demo's VMs that were removed there, with its pools where nothing else is left."""
    kept = foreign(connection)
    removed = machines.remove_domains(connection, say)
    if kept:
        say(f"{NAME} stays: it has {', '.join(kept)}, which the demo did not make")
        return removed
    for pool in connection.pools():
        define.forget_pool(connection, pool.name)
    return removed


def drop(host: Host, say: Say) -> None:
    """The row of one that has nothing any more, with the ways to it."""
    with transaction.atomic():
        MoveRoute.objects.filter(source=host).delete()
        MoveRoute.objects.filter(target=host).delete()
        host_changes.take_out(host, address=ADDRESS)
    say(f"{host.name} removed")
