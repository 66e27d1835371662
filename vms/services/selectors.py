"""What grants select VMs by, beside tags: a name comes only where it gives nobody a right too much."""

from __future__ import annotations

from django.db.models import Q

from vms.errors import NameGivesRights
from vms.models import Grant, VirtualMachine
from vms.permissions import Actor, gives_too_much, in_force


def refuse_name(actor: Actor, vm: VirtualMachine, name: str) -> None:
    """Nothing, or NameGivesRights; asked in the transaction that renames or makes the VM. Who makes one owns it by then
    (grants.own), and so may hand on what an owner may."""
    beginnings = [name[:length] for length in range(1, len(name) + 1)]
    arriving = Grant.objects.filter(in_force(), Q(name=name) | Q(prefix__in=beginnings)).exclude(Q(name="", prefix=""))
    if gives_too_much(actor, vm, arriving.select_related("role")):
        raise NameGivesRights(name=vm.name, called=name)
