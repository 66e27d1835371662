"""File systems of guests that are frozen: noted before they are, and thawed when their time is over, whoever is alive
then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from vms import live
from vms.errors import NothingChanges
from vms.models import Freeze, Happening, Operation, VirtualMachine

# A worker that freezes has this long for it before another one undoes it.
ASKING: Final = timedelta(seconds=90)
# How long one worker has for the thaw before another one tries.
TRYING: Final = timedelta(seconds=40)
AGAIN: Final = timedelta(seconds=5)
# A run other than the frozen one, whose agent never came, has forgotten it with its memory.
FORGOTTEN: Final = timedelta(minutes=10)


def of(vm: VirtualMachine) -> Freeze | None:
    return Freeze.objects.filter(vm=vm).select_related("operation").first()


def begin(operation: Operation, run_id: int, seconds: int) -> Freeze:
    """Note that they are about to be. Raises NothingChanges where they are."""
    now = timezone.now()
    try:
        with transaction.atomic():
            return Freeze.objects.create(
                vm_id=operation.target_id, operation=operation, run_id=run_id, asked_at=now, seconds=seconds,
                thaw_at=now + ASKING,
            )  # fmt: skip
    except IntegrityError:
        raise NothingChanges(name=operation.target_name) from None


@transaction.atomic
def frozen(freeze: Freeze) -> None:
    """The guest has said so: its time begins."""
    now = timezone.now()
    thaw_at = now + timedelta(seconds=freeze.seconds)
    Freeze.objects.filter(pk=freeze.pk).update(frozen_at=now, thaw_at=thaw_at)
    live.announce([f"vm:{freeze.vm_id}"])


@transaction.atomic
def end(freeze: Freeze, *, late: bool = False) -> None:
    """They are frozen no more. late: because their time was over, which the VM's history tells."""
    if Freeze.objects.filter(pk=freeze.pk).delete()[0] and late:
        placement = freeze.vm.placement
        if placement:
            Happening.objects.create(host_id=placement.host_id, vm=freeze.vm, code="thawed", params={})
    live.announce([f"vm:{freeze.vm_id}"])


def due(nodes: tuple[str, str], overdue: set[int]) -> list[Freeze]:
    """Those whose time is over by the clock, or that are among these, on hosts of the nodes."""
    over = Q(thaw_at__lte=timezone.now()) | Q(pk__in=overdue)
    rows = Freeze.objects.filter(over, vm__placement__host__node__in=nodes)
    return list(rows.select_related("vm__placement__host", "operation").order_by("thaw_at")[:20])


def claim(freeze: Freeze) -> bool:
    """Whether this worker is the one that thaws it now."""
    mine = Freeze.objects.filter(pk=freeze.pk, thaw_at=freeze.thaw_at)
    return bool(mine.update(thaw_at=max(timezone.now(), freeze.thaw_at) + TRYING))


@transaction.atomic
def try_again(freeze: Freeze, error: str) -> None:
    """It did not succeed: soon once more."""
    Freeze.objects.filter(pk=freeze.pk).update(thaw_at=timezone.now() + AGAIN, error_code=error)
    live.announce([f"vm:{freeze.vm_id}"])
