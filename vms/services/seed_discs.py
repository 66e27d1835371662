"""Other answers for cloud-init, once a VM is there: on a new disc, which it reads at its next start."""

from __future__ import annotations

from hashlib import sha256
from uuid import uuid4

from vms.errors import BadFields, BadParameters, NotAllowed
from vms.kinds.seeds import WRITE_SEED, NewSeed
from vms.models import Document, Operation, Placement, Seed, StoragePool, VirtualMachine
from vms.permissions import Actor, is_administrator, require
from vms.services import operations, placing, seeds, volumes
from vms.services.definitions import seed_name
from vms.services.freshness import placed
from vms.services.plans import NO_MAC
from vms.services.seeds import SeedWish


def write(actor: Actor, vm: VirtualMachine, wish: SeedWish, *, idempotency_key: str | None = None) -> Operation:
    """The operation that makes the disc and puts it into a drive, in place of the one that is there. It says what the
    wish says and no more: what was answered before is kept nowhere. Raises NotAllowed, BadFields, BadSeed, and what
    request raises."""
    for privilege in WRITE_SEED.privileges:
        require(actor, privilege, vm)
    asked = sha256(repr(wish).encode()).hexdigest()
    if idempotency_key and (known := asked_before(actor, vm, asked, idempotency_key)):
        return known
    placement = placed(vm)
    mac = NO_MAC if has_card(placement) else ""
    # A new instance: cloud-init does all of it again, also in a guest that has had its first boot.
    told = seeds.answers(wish, instance=str(uuid4()), name=vm.name, mac=mac)
    seed = seed_of(vm)
    pool = pool_for(actor, vm, placement, seed)
    name = seed_name(pool, vm.name)
    return operations.request(
        WRITE_SEED,
        vm,
        actor=actor,
        params=NewSeed(pool.pk, name, wish.keep, dict(seeds.told_of(wish)), asked),
        secrets={"seed": seeds.to_json(told)},
        takes={"disk_bytes": seeds.SIZE},
        idempotency_key=idempotency_key,
        locks=[volumes.name_lock(pool, name), *([f"volume:{seed.volume_id}"] if seed and seed.volume_id else [])],
    )


def asked_before(actor: Actor, vm: VirtualMachine, asked: str, key: str) -> Operation | None:
    """That of the key in the last day; BadParameters where it was another request. By what was asked for: the disc is
    called otherwise each time."""
    known = operations.of_key(actor, key)
    if known and (known.kind, known.target_id, known.params.get("asked")) != (WRITE_SEED.name, vm.pk, asked):
        raise BadParameters(field="Idempotency-Key")
    return known


def seed_of(vm: VirtualMachine) -> Seed | None:
    """What it was told; its volume is None once the disc was taken away."""
    return Seed.objects.filter(vm=vm).first()


def has_card(placement: Placement) -> bool:
    facts = Document.objects.filter(placement=placement).values_list("facts", flat=True).first() or {}
    return any(card.get("mac") for card in facts.get("interfaces", []))


def pool_for(actor: Actor, vm: VirtualMachine, placement: Placement, seed: Seed | None) -> StoragePool:
    """Where the old disc is, else where its disks are, else any pool of files that the actor may use. Raises NotAllowed
    where he may use none, BadFields where there is none of files."""
    pools = placing.usable_pools(actor, placement.host)
    if not pools and not is_administrator(actor, "pool.use"):
        raise NotAllowed(privilege="pool.use")
    folders = [pool for pool in pools if pool.type in volumes.FILES]
    if not folders:
        raise BadFields({"disks": "vm_no_folder"}, name=vm.name)
    disks = set(vm.volumes.filter(private=False).values_list("storage", flat=True))
    old = seed.volume.storage_id if seed and seed.volume else None
    return min(folders, key=lambda pool: (pool.storage_id != old, pool.storage_id not in disks))
