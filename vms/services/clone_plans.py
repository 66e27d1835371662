"""A wish for a clone, judged and completed by what whoever asks may use, becomes a plan of a VM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from vms.errors import BadFields, NeedsMore, NotAllowed, NotKept, WrongState
from vms.kinds.clone import CLONE, SOURCE, NewClone
from vms.libvirtxml import (
    BadXML,
    DomainXML,
    Given,
    difference,
    uncovered,
    without,
)
from vms.models import (
    Host,
    Network,
    Placement,
    Snapshot,
    StoragePool,
    VirtualMachine,
    Volume,
)  # fmt: skip
from vms.permissions import (
    Actor,
    held,
    require,
    visible_pools,
)
from vms.services import operations, placing, volumes
from vms.services.clone_cautions import warnings
from vms.services.clone_definitions import preview, told_of
from vms.services.clone_rows import Row, rows, source_of
from vms.services.clone_wishes import ClonePlan, CloneWish, DiskChoice, digest
from vms.services.definitions import disk_name
from vms.services.plans import found
from vms.services.telling import host_name
from vms.services.wishes import names

OFF: Final = volumes.OFF
OWNERS: Final = frozenset(CLONE.privileges)


def plan(actor: Actor, vm: VirtualMachine, wish: CloneWish) -> ClonePlan:
    """What would be made. Raises BadFields by the names of the wish, NotAllowed, NeedsMore for a definition that needs
    more than its owner and the one who clones may give it, WrongState, NotKept, HostSilent, HostLeftAlone."""
    require(actor, SOURCE, vm)
    placement = require_there(vm)
    operations.refuse_silent(placement.host, host_name(actor, placement.host))
    asked, name = digest(vm, wish), names(wish.name, wish.count)[0]
    host = where(actor, placement, wish)
    snapshot = Snapshot.objects.filter(placement=placement, name=wish.snapshot).first() if wish.snapshot else None
    if wish.snapshot and snapshot is None:
        raise BadFields({"snapshot": "choice"})
    source, far = source_of(vm, snapshot), host.pk != placement.host_id
    running = placement.state not in OFF and snapshot is None
    if far:
        refuse_far(placement.host, host, source, running=running)
    pools = {pool.pk: pool for pool in placing.usable_pools(actor, host)}
    disks, media = drives(actor, vm, replace(wish, name=name), placement, host, pools, snapshot)
    cards, networks = cards_of(actor, vm, source, wish, host, far=far)
    cpus, memory_kib = placement.vcpus, placement.memory_kib
    if snapshot:
        cpus, memory_kib = source.vcpus or cpus, source.memory_kib or memory_kib
    taken = int(snapshot.taken_at.timestamp()) if snapshot and snapshot.taken_at else None
    params = NewClone(
        os="", cpus=cpus, memory_mib=memory_kib // 1024, firmware="", tpm=False,
        disks=disks, cds=[], networks=sorted(networks), boot=[], start=wish.start,
        asked=asked, source=vm.pk, media=media, cards=cards, told=told_of(source, taken), running=running,
        snapshot=wish.snapshot,
    )  # fmt: skip
    made = ClonePlan(
        source=vm,
        host=host,
        params=params,
        pools=pools,
        networks=networks,
        takes={
            "vms": 1, "vcpus": cpus, "memory_kib": memory_kib,
            "disk_bytes": sum(disk.get("size_bytes", 0) for disk in disks),
        },
        warnings=(),
        document=source,
        snapshot=snapshot,
    )  # fmt: skip
    document, given = preview(made, name)
    more = judge(actor, vm, document, given)
    return replace(
        made,
        params=replace(params, more=more),
        document=document,
        warnings=tuple(warnings(actor, made, placement, wish)),
    )


def require_there(vm: VirtualMachine) -> Placement:
    """Where it is. Raises WrongState, NotKept."""
    # As it is in this moment, whenever the VM was read.
    placement = Placement.objects.select_related("host").get(current_of=vm)
    if vm.trashed_at is not None or not placement.present:
        raise WrongState(name=vm.name, state="trashed" if vm.trashed_at else "gone")
    if not placement.persistent:
        raise NotKept(name=vm.name)
    return placement


def where(actor: Actor, placement: Placement, wish: CloneWish) -> Host:
    """The host that is asked for, by itself or by a pool. Raises BadFields, NotAllowed."""
    host = found(Host.objects.filter(removed_at=None), wish.host, "host") if wish.host is not None else None
    if host:
        require(actor, "host.use", host)
    named = {choice.pool for choice in wish.disks.values() if choice.pool is not None}
    named |= {wish.pool} if wish.pool is not None else set()
    pools = [found(visible_pools(actor).select_related("host"), pk, "pool") for pk in sorted(named)]
    hosts = {each.pk: each for each in [*([host] if host else []), *(pool.host for pool in pools)]}
    if len(hosts) > 1:
        raise BadFields({"pool": "vm_hosts"})
    chosen = next(iter(hosts.values()), placement.host)
    if chosen.pk not in {one.pk for one in placing.usable_hosts(actor)}:
        if chosen.in_maintenance_at:
            raise BadFields({"host": "vm_no_host_maintenance"})
        if chosen.pk == placement.host_id and host is None and not pools:
            raise NotAllowed(privilege="host.use")
        raise BadFields({"host": "choice"})
    return chosen


def refuse_far(here: Host, there: Host, source: DomainXML, *, running: bool) -> None:
    """Nothing, or BadFields: on the other host it would not be the same, or nobody can bring it there."""
    if running:
        raise BadFields({"host": "clone_runs_far"})
    if here.node not in ("", there.node):
        raise BadFields({"host": "clone_node"})
    machines = there.hardware.get("machines") or []
    if (there.facts.get("arch") or "x86_64") != (source.arch or "x86_64"):
        raise BadFields({"host": "clone_arch"})
    if source.type == "kvm" and there.facts.get("domain_type") != "kvm":
        raise BadFields({"host": "clone_no_kvm"})
    if machines and source.machine and source.machine not in machines:
        raise BadFields({"host": "clone_machine"})


def drives(
    actor: Actor, vm: VirtualMachine, wish: CloneWish, placement: Placement, host: Host,
    pools: Mapping[int, StoragePool], snapshot: Snapshot | None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:  # fmt: skip
    """(its disks, what is in its drives) as the operation's parameters have them."""
    known = {each.target: each for each in rows(actor, vm, snapshot)}
    if set(wish.disks) - set(known):
        raise BadFields({"disks": "choice"})
    far = host.pk != placement.host_id
    disks: list[dict[str, Any]] = []
    media: list[dict[str, Any]] = []
    for target, each in known.items():
        ways = tuple(way for way in each.ways if not far or way in ("copy", "none"))
        chosen = wish.disks.get(target) or DiskChoice(ways[0])
        if chosen.how not in ways:
            raise BadFields({"disks": "clone_far" if far and chosen.how in each.ways else "clone_way"})
        if each.drive.medium:
            media.append({"target": target, "volume": each.volume.pk if each.volume and chosen.how == "share" else 0})
        elif chosen.how == "share" and each.volume:
            disks.append({"target": target, "volume": each.volume.pk})
        elif each.volume and chosen.how != "none":
            number = sum("pool" in disk for disk in disks)
            disks.append(new_disk(each, each.volume, chosen, wish, number, pools, far=far, running=placement))
    return disks, media


def new_disk(
    each: Row, volume: Volume, chosen: DiskChoice, wish: CloneWish, number: int, pools: Mapping[int, StoragePool],
    *, far: bool, running: Placement,
) -> dict[str, Any]:  # fmt: skip
    """A copy or a layer. Raises BadFields."""
    linked = chosen.how == "linked"
    off = running.state in OFF or bool(wish.snapshot)
    if far and volume.backing_path and not wish.snapshot:
        raise BadFields({"disks": "clone_layer"})
    if off and not linked and volume.backing_path and volume.backing is None:
        raise BadFields({"disks": "clone_below"})
    format = "qcow2" if linked or wish.snapshot else volume.format
    pool = pool_for(volume, chosen, wish, format, pools)
    return {
        "pool": pool.pk, "name": disk_name(pool, wish.name, number, format), "size_bytes": volume.capacity_bytes,
        "format": format, "image": 0, "linked": linked, "of": volume.pk, "target": each.target,
    }  # fmt: skip


def pool_for(
    volume: Volume, chosen: DiskChoice, wish: CloneWish, format: str, pools: Mapping[int, StoragePool]
) -> StoragePool:  # fmt: skip
    """The chosen one, else that of the disk itself, else the first that takes the format."""
    pk = chosen.pool if chosen.pool is not None else wish.pool
    if pk is not None:
        pool = pools.get(pk)
        if pool is None:
            raise BadFields({"pool": "choice"})
        if format not in volumes.formats(pool):
            raise BadFields({"pool": "volume_format"})
        return pool
    fitting = [pool for pool in pools.values() if format in volumes.formats(pool)]
    own = [pool for pool in fitting if pool.storage_id == volume.storage_id]
    best = next(iter([*own, *fitting]), None)
    if best is None:
        raise BadFields({"pool": "vm_no_pool"})
    return best


def cards_of(
    actor: Actor, vm: VirtualMachine, source: DomainXML, wish: CloneWish, host: Host, *, far: bool
) -> tuple[list[dict[str, Any]], dict[int, Network]]:  # fmt: skip
    """What becomes of each card, and the networks that they are on then. Raises BadFields."""
    old = source.interfaces
    usable = {network.pk: network for network in placing.usable_networks(actor, host)}
    filtered = placing.is_filtered(host)
    chosen = wish.networks or (None,) * len(old)
    if len(chosen) != len(old) or any(pk and pk not in usable for pk in chosen):
        raise BadFields({"networks": "choice"})
    if any(chosen) and not filtered:
        raise BadFields({"networks": "vm_no_filter"})
    keeps = not far and "vm.define" in held(actor, vm)
    cards: list[dict[str, Any]] = []
    for card, pk in zip(old, chosen, strict=True):
        named = card.network if card.type == "network" else None
        cards.append(proposed(named, usable, filtered, keeps) if pk is None else {"network": pk} if pk else {})
    networks = {card["network"]: usable[card["network"]] for card in cards if "network" in card}
    if wish.start and not all(network.active for network in networks.values()):
        raise BadFields({"networks": "vm_network_stopped"})
    return cards, networks


def proposed(
    network: str | None, usable: Mapping[int, Network], filtered: bool, keeps: bool
) -> dict[str, Any]:  # fmt: skip
    """The network of the same name, else the card as it is for who may define one, else none."""
    same = next((pk for pk, each in usable.items() if each.name == network), None)
    if same is not None and filtered:
        return {"network": same}
    return {"keep": True} if keeps else {}


def judge(actor: Actor, vm: VirtualMachine, document: DomainXML, given: Given) -> list[str]:
    """The privileges that it needs beyond an owner's, all of which he holds on the source. Raises NeedsMore for the
    gravest that he does not, NotFresh where one equals root and his sign-in is old, WrongState for what is no
    definition."""
    try:
        missing = uncovered(difference(None, without(document.text, given)), OWNERS)
    except BadXML:
        raise WrongState(name=vm.name, state="unknown") from None
    holds = held(actor, vm)
    for need in missing:
        if need.privilege not in holds:
            raise NeedsMore(privilege=need.privilege, place=need.place)
    more = sorted({need.privilege for need in missing})
    for privilege in more:
        require(actor, privilege, vm)
    return more
