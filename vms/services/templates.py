"""Templates: what may become one, who needs one, and to whom it is offered.

A template is a VM that its host keeps, off. Nobody writes to its disks, whose digests were taken when it was made; what
lies over them, or is being made of them, keeps it from being deleted (docs/decisions/0080).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from vms import live
from vms.errors import NoTemplate, RequestRefused, TemplateInUse
from vms.kinds import templates as kinds
from vms.kinds.create import CREATE
from vms.libvirtxml import Source, belongings, traits
from vms.models import (
    OPEN_STATES,
    Operation,
    Placement,
    StoragePool,
    TemplateVolume,
    VirtualMachine,
    Volume,
)
from vms.permissions import Actor, Who, require, require_all, visible_templates, visible_vms, visible_volumes
from vms.services import audit, operations, snapshots, volumes
from vms.services.belongings import named
from vms.services.freshness import placed
from vms.services.instances import document_of

PUBLISH = "template.publish"


@dataclass(frozen=True)
class Users:
    """What needs a template: VMs whose disks lie over its own or that are being made of it, and volumes that no VM
    uses, as far as somebody may know; of the others their number."""

    vms: list[VirtualMachine]
    other_vms: int
    volumes: list[Volume]
    other_volumes: int

    @property
    def number(self) -> int:
        return len(self.vms) + self.other_vms + len(self.volumes) + self.other_volumes


def listed(who: Who) -> QuerySet[VirtualMachine]:
    """Those that he may see, by name."""
    return visible_templates(who).order_by(Lower("name"), "pk")


def make(actor: Actor, vm: VirtualMachine, *, idempotency_key: str | None = None) -> Operation:
    """The operation that makes it a template. Raises NotAllowed, NoTemplate and what request raises."""
    require_all(actor, kinds.TEMPLATE.privileges, vm)
    if idempotency_key and (known := asked_before(actor, vm, idempotency_key)):
        return known
    operations.check_placement(kinds.TEMPLATE, vm)
    disks = [volume.pk for volume in require_fit(actor, vm)]
    return operations.request(
        kinds.TEMPLATE, vm, actor=actor, params=kinds.Disks(disks), idempotency_key=idempotency_key,
        locks=[f"volume:{pk}" for pk in disks],
    )  # fmt: skip


def asked_before(actor: Actor, vm: VirtualMachine, key: str) -> Operation | None:
    """What the same request has begun already; by now the VM may be a template."""
    found = Operation.objects.filter(
        actor_user=actor.user, idempotency_key=key, kind=kinds.TEMPLATE.name, target_id=vm.pk
    ).first()
    params = kinds.Disks.from_json(found.params) if found else kinds.Disks([])
    return operations.asked_before(kinds.TEMPLATE, vm, actor, params, key) if found else None


def make_vm(actor: Actor, vm: VirtualMachine, *, idempotency_key: str | None = None) -> Operation:
    """The operation that makes it a VM again. Raises NotAllowed, TemplateInUse and what request raises."""
    require_all(actor, kinds.UNTEMPLATE.privileges, vm)
    require_unused(actor, vm)
    return operations.request(kinds.UNTEMPLATE, vm, actor=actor, idempotency_key=idempotency_key)


def require_fit(who: Who, vm: VirtualMachine) -> list[Volume]:
    """The volumes of its disks, in order; NoTemplate says why it cannot become one."""
    placement = placed(vm)
    document = document_of(vm)
    if placement.has_managed_save:
        raise NoTemplate(name=vm.name, reason="saved")
    if snapshots.stand_in_the_way(vm):
        raise NoTemplate(name=vm.name, reason="snapshots")
    if Placement.objects.filter(vm=vm, present=True).exclude(pk=placement.pk).exists():
        raise NoTemplate(name=vm.name, reason="alias")
    told = [source for source, _ in traits(document).disks] if document else []
    if not told or document is None:
        raise NoTemplate(name=vm.name, reason="no_disk")
    if belongings([document]).shared:
        raise NoTemplate(name=vm.name, reason="shared")
    found = [volume_at(vm, placement.host_id, source) for source in told]
    for volume in found:
        require_copied(who, vm, volume)
    return found


def volume_at(vm: VirtualMachine, host: int, source: Source) -> Volume:
    """The volume of the VM that the source names; NoTemplate where it is none."""
    pools = list(StoragePool.objects.filter(host=host, present=True))
    place = {(source[0], source[1])} if source else set()
    for volume in vm.volumes.filter(present=True).order_by("pk"):
        if named(volume, pools, place):
            return volume
    raise NoTemplate(name=vm.name, reason="outside")


def require_copied(who: Who, vm: VirtualMachine, volume: Volume) -> None:
    """Nothing, or NoTemplate: its bytes are nothing that is handed on, or it is not the VM's alone."""
    if volume.vms.exclude(pk=vm.pk).exists() or volume.layers.exists():
        raise NoTemplate(name=vm.name, reason="shared")
    for layer in chain(volume):
        if layer.backing_path and layer.backing is None:
            raise NoTemplate(name=vm.name, reason="outside")
        try:
            volumes.require_served(layer)
        except RequestRefused:
            raise NoTemplate(name=vm.name, reason="not_served") from None


def chain(volume: Volume) -> Iterator[Volume]:
    """The volume, and what it lies over."""
    seen: set[int] = set()
    layer: Volume | None = volume
    while layer is not None and layer.pk not in seen:
        yield layer
        seen.add(layer.pk)
        layer = layer.backing


def users(who: Who, vm: VirtualMachine) -> Users:
    """What needs the template."""
    own = TemplateVolume.objects.filter(template__vm=vm, depth=0).values("volume")
    over = Volume.objects.filter(backing__in=own)
    making = Operation.objects.filter(kind=CREATE.name, state__in=OPEN_STATES, params__template=vm.pk)
    there = Q(volumes__in=own) | Q(volumes__in=over.values("pk")) | Q(pk__in=making.values("target_id"))
    pks = set(VirtualMachine.objects.filter(there, deleted_at=None).exclude(pk=vm.pk).values_list("pk", flat=True))
    seen = list(visible_vms(who).filter(pk__in=pks).order_by(Lower("name"), "pk"))
    loose = over.filter(vms=None)
    # What is being made is the VM's that is told already.
    loose = loose.exclude(state=Volume.State.INCOMPLETE) if making.exists() else loose
    told = list(visible_volumes(who).filter(pk__in=loose.values("pk")).order_by("name", "pk"))
    return Users(seen, len(pks) - len(seen), told, loose.count() - len(told))


def require_unused(who: Who, vm: VirtualMachine) -> None:
    """Nothing, or TemplateInUse with the names that he may know; nothing of a VM that is no template."""
    found = users(who, vm)
    if found.number:
        names = [*(one.name for one in found.vms), *(one.name for one in found.volumes)]
        raise TemplateInUse(name=vm.name, by=", ".join(names), others=found.number - len(names))


@transaction.atomic
def publish(actor: Actor, vm: VirtualMachine, *, offered: bool) -> None:
    """Offer it to who may use templates, or take the offer back. Raises NotAllowed."""
    require(actor, PUBLISH, vm)
    vm.template.published = offered
    vm.template.save(update_fields=["published"])
    audit.record("offered:template" if offered else "took-back:template", actor=actor, target=vm)
    live.announce(["vms:*", f"vm:{vm.pk}"])
