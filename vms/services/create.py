"""Making VMs: plans become rows and operations."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import count
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from vms import live
from vms.errors import BadFields, BadParameters
from vms.kinds.create import CREATE
from vms.models import Document, Operation, Placement, Quota, User, VirtualMachine
from vms.permissions import Actor, Who, visible_vms
from vms.services import grants, operations, quotas, seeds, selectors, volumes
from vms.services.definitions import disk_name, seed_name
from vms.services.plans import NO_MAC, plan
from vms.services.seeds import SeedWish
from vms.services.sentences import amount
from vms.services.wishes import Plan, Wish, digest, names


def create(actor: Actor, wish: Wish, *, idempotency_key: str | None = None) -> list[Operation]:
    """The operations that make them, one each, in one stroke: all of them are asked for or none. Raises BadFields,
    NotAllowed, NameGivesRights, OverQuota and what request raises."""
    with transaction.atomic():
        if idempotency_key:
            # One after the other, so that the second finds the first's rows.
            list(User.objects.select_for_update().filter(pk=actor.user.pk).values_list("pk", flat=True))
            known = asked_before(actor, wish, idempotency_key)
            if known:
                return known
        called = names(wish)
        made = plan(actor, wish)
        batch = uuid4() if len(called) > 1 or idempotency_key else None
        return [
            create_one(actor, made, name, seed=wish.seed, batch=batch, key=idempotency_key if number == 0 else None)
            for number, name in enumerate(called)
        ]


def asked_before(actor: Actor, wish: Wish, key: str) -> list[Operation]:
    """Those of that key in the last day; BadParameters where it was another request."""
    since = timezone.now() - operations.KEY_LIVES
    known = Operation.objects.filter(actor_user=actor.user, idempotency_key=key, queued_at__gte=since).first()
    if known is None:
        return []
    found = list(Operation.objects.filter(batch=known.batch).order_by("pk")) if known.batch else [known]
    if known.kind != CREATE.name or known.params["asked"] != digest(wish):
        raise BadParameters(field="Idempotency-Key")
    return found


def create_one(
    actor: Actor, made: Plan, name: str, *, seed: SeedWish | None, batch: UUID | None, key: str | None
) -> Operation:  # fmt: skip
    """Its row, owned by its maker, and the operation."""
    host = made.place.host
    if Placement.objects.filter(host=host, name=name, vm__deleted_at=None).exclude(
        present=False, read_at__isnull=False
    ).exists():  # fmt: skip
        raise BadFields({"name": "vm_taken"})
    vm = VirtualMachine.objects.create(name=name, charged_user=actor.user)
    identity = uuid4()
    vm.placement = Placement.objects.create(
        vm=vm, host=host, uuid=identity, name=name, present=False, graphics=["vnc"], serials=["serial0"],
        vcpus=made.params.cpus, memory_kib=made.params.memory_mib * 1024, search=f"{name} {identity}".lower(),
    )  # fmt: skip
    vm.save(update_fields=["placement"])
    Document.objects.create(placement=vm.placement)
    grants.own(actor, vm)
    # What the name gives is what comes with it: asked as of one that is not called so yet.
    VirtualMachine.objects.filter(pk=vm.pk).update(name="")
    selectors.refuse_name(actor, vm, name)
    VirtualMachine.objects.filter(pk=vm.pk).update(name=name)
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
        answers = seeds.answers(seed, instance=str(identity), name=name, mac=mac)
        secrets["seed"] = seeds.to_json(replace(answers, again=bool(made.params.template)))
    operation = operations.request(
        CREATE,
        vm,
        actor=actor,
        params=replace(made.params, disks=disks, seed=told),
        secrets=secrets,
        takes=made.takes,
        batch=batch,
        idempotency_key=key,
        locks=[
            f"vmname:{host.pk}:{sha256(name.encode()).hexdigest()[:32]}",
            *(volumes.name_lock(pool, called) for pool, called in new),
            *(f"volume:{disk['volume']}" for disk in disks if "volume" in disk),
        ],
    )
    live.announce(["vms:*"])
    return operation


def free_name(who: Who) -> str:
    """A name that no VM has which he sees: "vm-3"."""
    taken = set(visible_vms(who).filter(name__startswith="vm-").values_list("name", flat=True))
    return next(name for number in count(1) if (name := f"vm-{number}") not in taken)


def room(actor: Actor, made: Plan) -> list[str]:
    """What of the actor's quota is left and what it takes, in words; [] where he has none."""
    quota = Quota.objects.filter(user=actor.user).first()
    if quota is None:
        return []
    now = quotas.used(actor.user)
    limits = {name: getattr(quota, name) for name in made.takes}
    return [
        gettext("takes {asked} of {left} that are left").format(
            asked=amount(name, made.takes[name]), left=amount(name, max(limit - now[name], 0))
        )
        for name, limit in limits.items()
        if limit is not None and made.takes[name]
    ]
