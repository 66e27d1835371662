"""What an operation holds while it is queued or runs, so that no other one comes in its way."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from vms.errors import BadParameters, Locked
from vms.kinds import KINDS
from vms.models import OPEN_STATES, Operation, OperationLock


def take_locks(operation: Operation, *keys: str) -> None:
    """Hold all the keys, or Locked names who has the first that is held."""
    if holder := hold(operation, keys):
        raise held_by(holder)


def share_lock(operation: Operation, key: str) -> None:
    """Hold the key, unless another one of its batch does, which hands it on; Locked names anybody else who does."""
    holder = hold(operation, [key])
    if holder and not (holder.batch and holder.batch == operation.batch):
        raise held_by(holder)


def hold(operation: Operation, keys: Sequence[str]) -> Operation | None:
    """None, and it has all the keys; else who has the first that is held, and it has none of them."""
    try:
        with transaction.atomic():
            OperationLock.objects.bulk_create(OperationLock(key=key, operation=operation) for key in keys)
    except IntegrityError:
        held = OperationLock.objects.filter(key__in=keys).select_related("operation")
        holders = {lock.key: lock.operation for lock in held}
        return next(holders[key] for key in keys if key in holders)
    return None


def held_by(holder: Operation) -> Locked:
    """The refusal that names who holds the thing, and since when."""
    return Locked(
        operation=holder.pk,
        kind=holder.kind,
        title=KINDS[holder.kind].title if holder.kind in KINDS else holder.kind,
        actor=holder.actor_name,
        seconds=int((timezone.now() - holder.queued_at).total_seconds()),
    )


def release(operation: Operation) -> None:
    """It holds nothing any more, in the transaction in which it ends. What it held together with others of its batch
    goes to one of them that has not ended."""
    held = OperationLock.objects.filter(operation=operation)
    together = held.filter(key__in=shared(operation))
    if together.exists():
        others = Operation.objects.filter(batch=operation.batch, kind=operation.kind, state__in=OPEN_STATES)
        # Held until this is committed, or it could end meanwhile and never let go.
        heir = others.exclude(pk=operation.pk).select_for_update().order_by("pk").first()
        if heir:
            together.update(operation=heir)
    held.delete()


def shared(operation: Operation) -> frozenset[str]:
    """What its parameters say that those of its batch hold together; nothing of parameters of another version."""
    try:
        return KINDS[operation.kind].params.from_json(operation.params).together if operation.batch else frozenset()
    except (KeyError, BadParameters):
        return frozenset()
