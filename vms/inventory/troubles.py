"""What went wrong in a VM by itself, as its host told it in that moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone

from vms.libvirtxml import BadXML, DomainXML
from vms.models import Happening, Host, Placement
from vms.virt import DomainBroke

CODES: Final = {
    "panicked": "panicked", "crash_loaded": "crash_loaded", "watchdog": "watchdog_fired", "disk": "disk_failed",
}  # fmt: skip
# A guest may let the same go wrong as often as it likes; between two panics it boots at least.
APART: Final = timedelta(minutes=1)
BOOT: Final = timedelta(seconds=10)


def store(host: Host, trouble: DomainBroke) -> set[str]:
    """Note it, where the same was not just now; the VM's name."""
    placement = Placement.objects.filter(host=host, uuid=trouble.uuid).select_related("document").first()
    if placement is None:
        return set()
    params = {"action": trouble.action} if trouble.action else {}
    if trouble.what == "disk":
        params |= {"disk": disk_of(placement.document.live, trouble.device), "why": trouble.reason}
    code = CODES[trouble.what]
    apart = APART if code in ("watchdog_fired", "disk_failed") else BOOT
    lately = Happening.objects.filter(vm=placement.vm_id, code=code, at__gt=timezone.now() - apart)
    if any(before.params == params for before in lately[:10]):
        return set()
    Happening.objects.create(host=host, vm_id=placement.vm_id, code=code, params=params)
    return {f"vm:{placement.vm_id}"}


def disk_of(live: str, alias: str) -> str:
    """What the definition of the run calls the disk of that alias, where it has it."""
    try:
        disks = DomainXML.parse(live).disks if live else []
    except BadXML:
        return alias
    return next((disk.target or alias for disk in disks if disk.alias == alias), alias)
