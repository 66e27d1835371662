"""VMs that a CD installs: what they install from, and what is asked when they have started anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from vms import live
from vms.kinds.media import EJECT
from vms.models import Document, VirtualMachine
from vms.permissions import Actor, require
from vms.services import audit
from vms.services.freshness import placed


@dataclass(frozen=True)
class Medium:
    """A CD that is in a drive. name: of its volume, without its pool."""

    drive: str
    name: str
    since: datetime


def remember(vm: VirtualMachine, medium: str) -> None:
    """It installs from that CD (Disk.source)."""
    VirtualMachine.objects.filter(pk=vm.pk).update(installs_from=medium)


def forget(vm: VirtualMachine) -> None:
    """Its CD is out, or is to stay."""
    VirtualMachine.objects.filter(pk=vm.pk).update(installs_from="")


def restarted(vm: VirtualMachine) -> None:
    """It was reset, rebooted, or its run has ended."""
    if vm.installs_from and vm.restarted_at is None:
        VirtualMachine.objects.filter(pk=vm.pk, restarted_at=None).update(restarted_at=Now())


def waits_for_ejection(vm: VirtualMachine) -> Medium | None:
    """The CD that it installs from, where it has started anew and has that still; None where nothing is to be asked,
    also where nobody saw it start anew."""
    if not vm.installs_from or vm.restarted_at is None or not placed(vm).persistent:
        return None
    document = Document.objects.filter(placement=placed(vm)).only("facts").first()
    drive = next((one["target"] for one in drives(document) if one["source"] == vm.installs_from), None)
    return Medium(drive, vm.installs_from.rpartition("/")[2], vm.restarted_at) if drive else None


def drives(document: Document | None) -> list[dict[str, Any]]:
    """Its CD drives, as glance() tells them."""
    disks = document.facts.get("disks", []) if document else []
    return [disk for disk in disks if disk["device"] == "cdrom" and disk["target"]]


@transaction.atomic
def keep(actor: Actor, vm: VirtualMachine) -> None:
    """Its CD stays where it is, and nobody is asked any more. Raises NotAllowed."""
    require(actor, EJECT.privileges[0], vm)
    forget(vm)
    audit.record("kept:cd", actor=actor, target=vm)
    live.announce([f"vm:{vm.pk}"])
