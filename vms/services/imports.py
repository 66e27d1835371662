"""VMs out of archives: what was packed, and what somebody wants otherwise, becomes a wish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vms.errors import BadFields
from vms.kinds.imports import IMPORT
from vms.models import Operation, Volume
from vms.permissions import Actor
from vms.services import archives, create, operations, placing, systems
from vms.services.definitions import clean_name
from vms.services.wishes import MIB, DiskWish, Wish


@dataclass(frozen=True)
class ImportWish:
    """volume: the archive. What is left out ("", 0, None) is as the archive says. careful None: where its disks were at
    controllers for which our drivers were not needed. disks: the numbers of those that are wanted; pool: for all."""

    volume: int
    name: str = ""
    cpus: int = 0
    memory_mib: int = 0
    os: str | None = None
    firmware: str = ""
    careful: bool | None = None
    disks: tuple[int, ...] | None = None
    pool: int | None = None
    networks: tuple[int, ...] | None = None
    start: bool = True


def import_vm(actor: Actor, wish: ImportWish, *, idempotency_key: str | None = None) -> Operation:
    """The operation that makes it. Raises what to_wish() and create() raise."""
    return create.create(actor, to_wish(actor, wish), kind=IMPORT, idempotency_key=idempotency_key)[0]


def to_wish(actor: Actor, wish: ImportWish) -> Wish:
    """The same as a new VM. Raises BadFields ("volume", "disks"), NotAllowed."""
    placing.require_somewhere(actor)
    volume = archives.find_source(actor, DiskWish(packed=wish.volume))
    archive = archives.current(volume)
    if archive is None:
        raise BadFields({"volume": "archive_unread"})
    told, found = archives.told(archive), archives.disks(archive)
    numbers = range(len(found)) if wish.disks is None else wish.disks
    if len(set(numbers)) != len(numbers) or not set(numbers) <= set(range(len(found))):
        raise BadFields({"disks": "choice"})
    usual = suggested(told)
    return Wish(
        name=wish.name or usual.name,
        cpus=wish.cpus or usual.cpus,
        memory_mib=wish.memory_mib or usual.memory_mib,
        os=(usual.os or "") if wish.os is None else wish.os,
        disks=tuple(
            DiskWish(wish.pool, packed=volume.pk, number=number)
            if found[number].format
            else DiskWish(wish.pool, -(-found[number].size_bytes // MIB))
            for number in numbers
        ),
        networks=networks_for(actor, volume, len(told["cards"])) if wish.networks is None else wish.networks,
        firmware=wish.firmware or usual.firmware,
        start=wish.start,
        careful=bool(usual.careful) if wish.careful is None else wish.careful,
    )


def suggested(told: dict[str, Any]) -> ImportWish:
    """What an archive that says this becomes where nobody wants it otherwise; volume 0."""
    os = str(told["os"])
    needs = systems.needs(os)
    return ImportWish(
        volume=0,
        name=clean_name(str(told["name"])),
        cpus=int(told["cpus"]) or systems.CPUS,
        memory_mib=int(told["memory_mib"]) or max(needs.memory_mib, systems.MEMORY_MIB),
        os=os,
        firmware=str(told["firmware"]),
        careful=is_foreign(told),
    )


def networks_for(actor: Actor, volume: Volume, cards: int) -> tuple[int, ...] | None:
    """As many cards as it had, on the first network that he may use; None where there is none, which is then said."""
    host = operations.pool_of(volume).host
    usable = [network for network in placing.usable_networks(actor, host) if network.active]
    return (usable[0].pk,) * cards if usable and placing.is_filtered(host) else None if cards else ()


def is_foreign(told: dict[str, Any]) -> bool:
    """Whether the system in it may never have seen a disk or a card of ours."""
    models = [*told["controllers"], *(card["model"] for card in told["cards"])]
    return not models or not all("virtio" in model.lower() for model in models)
