"""VMs that are neither deleted nor forced off until somebody who may delete them lifts that."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from vms import live
from vms.models import VirtualMachine
from vms.permissions import Actor, require
from vms.services import audit

PRIVILEGE: Final = "vm.delete"


@transaction.atomic
def protect(actor: Actor, vm: VirtualMachine, *, protected: bool) -> None:
    """From now on, or no more. Raises NotAllowed."""
    require(actor, PRIVILEGE, vm)
    if VirtualMachine.objects.filter(pk=vm.pk).exclude(protected=protected).update(protected=protected):
        audit.record("protected:vm" if protected else "unprotected:vm", actor=actor, target=vm)
        live.announce([f"vm:{vm.pk}"])
