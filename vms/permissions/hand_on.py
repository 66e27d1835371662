"""Who may give which rights to others: administrators all; else nobody more than he has himself on that VM."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from vms.kinds.privileges import PRIVILEGES
from vms.models import Grant, Role, VirtualMachine
from vms.permissions.ask import given, held, noun_of
from vms.permissions.reach import in_force, of_user, reaching
from vms.permissions.who import Actor, Who, is_administrator

ACCESS = "vm.access"


def on_vms(role: Role) -> frozenset[str]:
    """What the role gives on a VM, which may be a template."""
    return on_things(role, frozenset({"vm", "template"}))


def on_vm(role: Role, vm: VirtualMachine | None) -> frozenset[str]:
    """What the role gives on this VM, or on any that is no template."""
    is_template = vm is not None and vm.templated_at is not None
    return on_vms(role) if is_template else on_things(role, frozenset({"vm"}))


def on_things(role: Role, nouns: Collection[str]) -> frozenset[str]:
    """Those of its privileges that are asked of such things ("pool", "network")."""
    names = role.privileges.values_list("name", flat=True)
    return frozenset(name for name in names if name in PRIVILEGES and noun_of(name) in nouns and not is_root(name))


def is_root(privilege: str) -> bool:
    return PRIVILEGES[privilege].root


def handed_on(who: Who, vm: VirtualMachine) -> frozenset[str]:
    """What he may give to others on the VM; by a token nothing, because rights are given by people."""
    if isinstance(who, Actor) and who.token:
        return frozenset()
    holds = held(who, vm)
    return holds if ACCESS in holds else frozenset()


def may_grant(who: Who, role: Role, vm: VirtualMachine | None) -> bool:
    """Whether he may give the role on the VM, or (None) on anything else."""
    if isinstance(who, Actor) and who.token:
        return False
    if is_administrator(who) or vm is None:
        return is_administrator(who)
    gives = on_vms(role)
    return bool(gives) and gives <= handed_on(who, vm)


def had(grant: Grant, vm: int) -> frozenset[str]:
    """What who is granted it has on the VM already: a user by all his grants, a group by its own."""
    grants = of_user(grant.user_id) if grant.user_id else Grant.objects.filter(in_force(), group=grant.group_id)
    return given(grants.filter(reaching(vm)), VirtualMachine)


def gives_too_much(who: Who, vm: VirtualMachine, arriving: Iterable[Grant]) -> bool:
    """Whether these grants, once they reach the VM, give somebody a right there that he could not give him."""
    hands_on = handed_on(who, vm)
    return any(not on_vms(grant.role) - had(grant, vm.pk) <= hands_on for grant in arriving)
