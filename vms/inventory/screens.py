"""What stood on the screen of a VM that crashed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from vms.models import Host, LastScreen, Placement

# A VM that its host shows no more may be one that ended and was never defined, whose page tells of it for so long.
KEPT_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True)
class Shot:
    """A picture of a screen, as PNG, of one run. seen: the hash of what the host gave for it."""

    taken_at: datetime
    run_id: int | None
    png: bytes
    seen: bytes = b""


def keep(host: Host, uuid: str, shot: Shot) -> set[str]:
    """Keep it in the place of a former one; the VM's name."""
    vm = Placement.objects.filter(host=host, uuid=uuid).values_list("vm", flat=True).first()
    if vm is None:
        return set()
    fields = {"run_id": shot.run_id, "taken_at": shot.taken_at, "png": shot.png}
    LastScreen.objects.update_or_create(vm_id=vm, defaults=fields)
    return {f"vm:{vm}"}


def forget(now: datetime) -> None:
    """Delete those of VMs that are gone, whoever deleted them."""
    before = now - KEPT_AFTER
    gone = Q(vm__placement__present=False, vm__placement__gone_at__lt=before)
    found = LastScreen.objects.filter(gone | Q(vm__placement__host__removed_at__lt=before))
    # Without any nothing is written.
    if pks := list(found.values_list("pk", flat=True)):
        LastScreen.objects.filter(pk__in=pks).delete()
