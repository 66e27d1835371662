"""The definition of a VM that is made after another, on the host where it will be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vms.errors import NotFound, WrongState
from vms.libvirtxml import (
    BadXML,
    Card,
    Changes,
    DomainXML,
    Drive,
    Given,
    cloned,
    drives_of,
    system_of,
)
from vms.models import (
    Document,
    Host,
    Network,
    Snapshot,
    StoragePool,
    VirtualMachine,
    Volume,
)  # fmt: skip
from vms.services.clone_wishes import ClonePlan
from vms.services.freshness import placed
from vms.services.plans import NO_MAC, NO_UUID
from vms.services.reaching import closed_place


def definition_of(vm: VirtualMachine) -> DomainXML:
    """What its next start will be, as it was last seen, masked. Raises WrongState where nothing was seen."""
    document = Document.objects.filter(placement=placed(vm)).first()
    try:
        return DomainXML.parse(document.next_boot if document else "")
    except BadXML:
        raise WrongState(name=vm.name, state="unknown") from None


def kept_in(snapshot: Snapshot) -> DomainXML:
    """What the next start was when it was taken, masked. Raises WrongState where its host keeps no definition of it."""
    try:
        return DomainXML.parse(snapshot.next_boot)
    except BadXML:
        raise WrongState(name=snapshot.name, state="unknown") from None


def told_of(source: DomainXML, taken: int | None = None) -> dict[str, Any]:
    """By what it is told that the source is another by now. taken: of a snapshot when it was taken, in seconds since
    1970."""
    return {
        "taken": taken,
        "drives": [[drive.target, *drive.source[:2]] for drive in drives_of(source)],
        "cards": len(source.interfaces),
    }


def there(volume: int, host: Host) -> Drive:
    """A volume that is there, as that host calls it. Raises NotFound where it has it no more."""
    row = Volume.objects.filter(pk=volume, present=True).first()
    pools = StoragePool.objects.filter(storage=row.storage_id if row else None, host=host, present=True)
    pool = pools.order_by("-active", "pk").first()
    if row is None or pool is None:
        raise NotFound(str(volume))
    return Drive(pool.name, row.name, row.format or "raw")


def described(card: Mapping[str, Any], networks: Mapping[int, Network], mac: str) -> Card | str | None:
    """The card of these parameters, with that MAC."""
    if "network" in card:
        return Card(networks[card["network"]].name, mac)
    return mac if "keep" in card else None


def emulator(source: VirtualMachine, host: Host) -> str:
    """The program that need not be named on that host, "" where none that is named is kept."""
    here = placed(source).host_id == host.pk
    return str(host.hardware.get("emulator") or "") if here else ""


def preview(made: ClonePlan, name: str) -> tuple[DomainXML, Given]:
    """The document as it would be, and what of it rows of ours give."""
    drives: dict[str, Drive | None] = {}
    for disk in made.params.disks:
        new = "pool" in disk
        drives[disk["target"]] = (
            Drive(made.pools[disk["pool"]].name, disk["name"], disk["format"])
            if new
            else there(disk["volume"], made.host)
        )
    for medium in made.params.media:
        drives[medium["target"]] = there(medium["volume"], made.host) if medium["volume"] else None
    cards = [described(card, made.networks, NO_MAC) for card in made.params.cards]
    return build(
        made.document, made.host, emulator(made.source, made.host), name=name, uuid=NO_UUID, drives=drives, cards=cards
    )  # fmt: skip


def build(
    source: DomainXML, host: Host, emulator: str, *, name: str, uuid: str, drives: Mapping[str, Drive | None],
    cards: list[Card | str | None],
) -> tuple[DomainXML, Given]:  # fmt: skip
    """The document on that host, and what of it is given by rows."""
    empty = {drive.target for drive in drives_of(source) if not drive.source}
    shared = {drive.target for drive in drives_of(source) if drive.shared}
    document = cloned(
        source,
        Changes(
            name=name,
            uuid=uuid,
            drives={**dict.fromkeys(empty), **drives},
            cards=cards,
            listen=closed_place(host),
            emulator=emulator,
        ),
    )
    volumes_given = {(drive.pool, drive.volume): drive.format for drive in drives.values() if drive}
    given = Given(
        volumes=volumes_given,
        shared=frozenset((each.pool, each.volume) for target, each in drives.items() if each and target in shared),
        networks=frozenset(card.network for card in cards if isinstance(card, Card)),
        macs=frozenset(card.mac if isinstance(card, Card) else card for card in cards if card),
        uuid=uuid,
        system=system_of(source),
    )
    return document, given
