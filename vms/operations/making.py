"""A VM on its way: what its steps share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from vms.errors import Aborted
from vms.kinds import KINDS
from vms.kinds.clone import SOURCE, NewClone
from vms.kinds.create import NewVm
from vms.libvirtxml import Card, Drive
from vms.models import ImageCopy, Network, Operation, StoragePool, VirtualMachine, Volume
from vms.operations.jobs import is_to_end
from vms.operations.work import Work
from vms.permissions import Actor, require, require_deed
from vms.services.instances import require_usable
from vms.virt import Connection, DomainInfo

# Seconds for which the answer that its maker may is good: several quick steps are one moment.
GOOD: Final = 1.0


@dataclass
class Making:
    """A VM on its way. drives: those that are ready for its definition, in its order; cards: likewise. source: of a
    clone the VM that it is made after, as its host tells of it."""

    work: Work
    params: NewVm
    actor: Actor
    images: dict[int, tuple[ImageCopy, StoragePool]] = field(default_factory=dict)
    cards: list[Card] = field(default_factory=list)
    drives: list[Drive] = field(default_factory=list)
    source: DomainInfo | None = None
    permitted_at: float = -GOOD

    @property
    def operation(self) -> Operation:
        return self.work.operation

    def go_on(self) -> None:
        """Nothing, or what ends it: it was taken away, somebody has cancelled it, or a right is gone that it needs."""
        self.work.heard()
        self.work.may_go_on()
        if is_to_end(self.operation):
            raise Aborted
        if time.monotonic() - self.permitted_at >= GOOD:
            require_rights(self.actor, self.operation)
            self.permitted_at = time.monotonic()


@dataclass(frozen=True)
class Step:
    """do: what it makes. undo: takes that away on the host and here, or finds nothing of it; by the operation alone,
    since it may be another worker's. needed: whether there is anything to do, by the parameters."""

    name: str
    do: Callable[[Making], None]
    undo: Callable[[Connection, Operation], None]
    needed: Callable[[NewVm], bool] = lambda params: True


def params_of(operation: Operation) -> NewVm:
    """Those of the operation's kind."""
    params = KINDS[operation.kind].params.from_json(operation.params)
    if not isinstance(params, NewVm):
        raise TypeError(operation.kind)
    return params


def require_rights(actor: Actor, operation: Operation) -> None:
    """Nothing, or NotAllowed: on the host, and on all that its parameters name."""
    params = params_of(operation)
    require(actor, "host.use", operation.host)
    for pool in StoragePool.objects.filter(pk__in=[disk["pool"] for disk in params.disks if "pool" in disk]):
        require(actor, "pool.use", pool)
    for volume in Volume.objects.filter(pk__in=[disk["volume"] for disk in params.disks if "volume" in disk]):
        # Once its VM is there, whose maker owns it, that says who may.
        require_deed(actor, "attach", volume)
    for volume in Volume.objects.filter(pk__in=[disk["packed"] for disk in params.disks if "packed" in disk]):
        require_deed(actor, "copy", volume)
    if params.template:
        require_usable(actor, params.template)
    for network in Network.objects.filter(pk__in=params.networks):
        require(actor, "network.use", network)
    if isinstance(params, NewClone):
        for source in VirtualMachine.objects.filter(pk=params.source):
            require(actor, SOURCE, source)
        for volume in Volume.objects.filter(pk__in=[disk["of"] for disk in params.disks if "of" in disk]):
            require_deed(actor, "copy", volume)
