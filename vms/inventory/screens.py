"""What stood on the screen of a VM that crashed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vms.models import Host, LastScreen, Placement


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
