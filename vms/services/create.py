"""Making VMs: plans become rows and operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import count
from uuid import UUID, uuid4

from django.db import transaction
from django.utils.translation import gettext

from vms import live
from vms.errors import BadFields, BadParameters
from vms.kinds import Kind
from vms.kinds.create import CREATE
from vms.models import Document, Host, Operation, Placement, User, VirtualMachine
from vms.permissions import Actor, Who, visible_vms
from vms.services import grants, operations, quotas, seeds, selectors, volumes
from vms.services.definitions import disk_name, seed_name
from vms.services.freshness import placed
from vms.services.plans import NO_MAC, plan
from vms.services.seeds import SeedWish
from vms.services.sentences import amount
from vms.services.wishes import Plan, Wish, digest, names


def create(
    actor: Actor, wish: Wish, *, kind: Kind = CREATE, idempotency_key: str | None = None
) -> list[Operation]:  # fmt: skip
    """The operations that make them, one each, in one stroke: all of them are asked for or none. Raises BadFields,
    NotAllowed, NameGivesRights, OverQuota and what request raises."""
    with transaction.atomic():
        if idempotency_key:
            # One after the other, so that the second finds the first's rows.
            list(User.objects.select_for_update().filter(pk=actor.user.pk).values_list("pk", flat=True))
            known = asked_before(actor, kind, digest(wish), idempotency_key)
            if known:
                return known
        called = names(wish.name, wish.count)
        made = plan(actor, wish)
        batch = uuid4() if len(called) > 1 or idempotency_key else None
        return [
            create_one(
                actor, kind, made, name, seed=wish.seed, batch=batch, key=idempotency_key if number == 0 else None
            )
            for number, name in enumerate(called)
        ]


def asked_before(actor: Actor, kind: Kind, asked: str, key: str) -> list[Operation]:
    """Those of that key in the last day; BadParameters where it was another request: of another digest."""
    known = operations.of_key(actor, key)
    if known is None:
        return []
    found = list(Operation.objects.filter(batch=known.batch).order_by("pk")) if known.batch else [known]
    if known.kind != kind.name or known.params["asked"] != asked:
        raise BadParameters(field="Idempotency-Key")
    return found


def create_one(
    actor: Actor, kind: Kind, made: Plan, name: str, *, seed: SeedWish | None, batch: UUID | None, key: str | None
) -> Operation:  # fmt: skip
    """Its row, owned by its maker, and the operation."""
    host = made.place.host
    vm = new_vm(actor, host, name, vcpus=made.params.cpus, memory_kib=made.params.memory_mib * 1024)
    identity = placed(vm).uuid
    disks = []
    for number, disk in enumerate(made.params.disks):
        if "pool" in disk:
            disk = {**disk, "name": disk_name(made.pools[disk["pool"]], name, number, disk["format"])}
        disks.append(disk)
    new = [(made.pools[disk["pool"]], disk["name"]) for disk in disks if "pool" in disk]
    told, secrets = made.params.seed, {}
    if seed and told:
        told = {**told, "name": seed_name(made.pools[told["pool"]], name)}
        new.append((made.pools[told["pool"]], told["name"]))
        # The worker gives the card its address.
        mac = NO_MAC if made.networks else ""
        of = bool(made.params.template)
        answers = seeds.answers(seed, instance=str(identity), name=name, mac=mac, new_machine=of)
        secrets["seed"] = seeds.to_json(answers)
    operation = operations.request(
        kind,
        vm,
        actor=actor,
        params=replace(made.params, disks=disks, seed=told),
        secrets=secrets,
        takes=made.takes,
        batch=batch,
        idempotency_key=key,
        locks=[
            name_lock(host, name),
            *(volumes.name_lock(pool, called) for pool, called in new),
            *(f"volume:{disk['volume']}" for disk in disks if "volume" in disk),
            *sorted({f"volume:{disk['packed']}" for disk in disks if "packed" in disk}),
        ],
    )
    live.announce(["vms:*"])
    return operation


def is_taken(host: Host, name: str) -> bool:
    """Whether the host has a VM of that name, or is to have one."""
    there = Placement.objects.filter(host=host, name=name, vm__deleted_at=None)
    return there.exclude(present=False, read_at__isnull=False).exists()


def name_lock(host: Host, name: str) -> str:
    """What is held by who makes a VM of that name there."""
    return f"vmname:{host.pk}:{sha256(name.encode()).hexdigest()[:32]}"


def new_vm(
    actor: Actor, host: Host, name: str, *, vcpus: int, memory_kib: int, graphics: Sequence[str] = ("vnc",),
    serials: Sequence[str] = ("serial0",),
) -> VirtualMachine:  # fmt: skip
    """A VM that is to be made there, its maker's, with a UUID of its own. Raises BadFields, NameGivesRights."""
    if is_taken(host, name):
        raise BadFields({"name": "vm_taken"})
    # What the name gives is what comes with it: asked as of one that is not called so yet.
    vm = VirtualMachine.objects.create(name="", charged_user=actor.user)
    vm.name = name
    identity = uuid4()
    vm.placement = Placement.objects.create(
        vm=vm, host=host, uuid=identity, name=name, present=False, graphics=list(graphics), serials=list(serials),
        vcpus=vcpus, memory_kib=memory_kib, search=f"{name} {identity}".lower(),
    )  # fmt: skip
    vm.save(update_fields=["placement"])
    Document.objects.create(placement=vm.placement)
    grants.own(actor, vm)
    selectors.refuse_name(actor, vm, name)
    vm.save(update_fields=["name"])
    return vm


def free_name(who: Who) -> str:
    """A name that no VM has which he sees: "vm-3"."""
    taken = set(visible_vms(who).filter(name__startswith="vm-").values_list("name", flat=True))
    return next(name for number in count(1) if (name := f"vm-{number}") not in taken)


def room(actor: Actor, takes: Mapping[str, int]) -> list[str]:
    """What of the actor's quota is left and what that takes, in words; [] where he has none."""
    left = quotas.left(actor.user)
    return [
        gettext("takes {asked} of {left} that are left").format(
            asked=amount(name, takes[name]), left=amount(name, left[name])
        )
        for name in takes
        if name in left and takes[name]
    ]
