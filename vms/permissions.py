"""Who may: the one place that answers, for pages, API, WebSockets, relay and workers. The default is no.

Privilege names are those of THREAT_MODEL.md. In this release an administrator holds all of them and nobody else
holds any; what one may not see answers like what does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.http import Http404

from vms.errors import NotAllowed
from vms.models import ApiToken, Host, Operation, User, VirtualMachine

PRIVILEGES: Final = frozenset(
    {
        "vm.view", "vm.screen", "vm.console", "vm.power", "vm.force", "vm.revert", "vm.boot", "vm.xml.view",
        "vm.device", "vm.define", "host.view", "host.maintain", "host.admin", "site.health", "audit.view",
    }
)  # fmt: skip

Thing = VirtualMachine | Host | None


@dataclass(frozen=True)
class Actor:
    """Who acts and by what: a signed-in session or an API token."""

    user: User
    session_key: str = ""
    token: ApiToken | None = None
    address: str = ""


def may(user: User | AnonymousUser | None, privilege: str, thing: Thing = None) -> bool:
    """Whether the user holds the privilege on the thing (on the site, for None)."""
    if privilege not in PRIVILEGES:
        raise ValueError(f"no such privilege: {privilege}")
    return isinstance(user, User) and user.is_active and user.is_administrator


def require(user: User | AnonymousUser | None, privilege: str, thing: Thing = None) -> None:
    """Nothing, or NotAllowed names the privilege."""
    if not may(user, privilege, thing):
        raise NotAllowed(privilege=privilege)


def holders(privilege: str, prefix: str = "") -> Q:
    """may() as a condition on rows whose user is found under the prefix ("user__"), to ask about many at once."""
    if privilege not in PRIVILEGES:
        raise ValueError(f"no such privilege: {privilege}")
    return Q(**{f"{prefix}is_active": True, f"{prefix}is_administrator": True})


def visible_vms(user: User | AnonymousUser) -> QuerySet[VirtualMachine]:
    """The VMs that the user may see, with placement and host loaded; neither those deleted here nor those
    of a host that was removed are among them."""
    vms = VirtualMachine.objects.filter(deleted_at=None, placement__isnull=False, placement__host__removed_at=None)
    vms = vms.select_related("placement", "placement__host")
    return vms if may(user, "vm.view") else vms.none()


def visible_hosts(user: User | AnonymousUser) -> QuerySet[Host]:
    """The hosts that the user may see; removed ones are not among them."""
    hosts = Host.objects.filter(removed_at=None)
    return hosts if may(user, "host.view") else hosts.none()


def visible_operations(user: User | AnonymousUser) -> QuerySet[Operation]:
    """The operations on what the user may see."""
    operations = Operation.objects.all()
    return operations if may(user, "vm.view") else operations.none()


def visible_names(user: User | AnonymousUser, names: list[str]) -> list[str]:
    """Those of the announced names ("vm:12", "host:1", "op:7", "vms:*", "*") that the user may be told."""
    return names if may(user, "vm.view") else []


def get_vm_or_404(user: User | AnonymousUser, pk: int, *, to: str = "vm.view") -> VirtualMachine:
    """The VM; 404 when it does not exist or may not be seen, NotAllowed when it may be seen but not this."""
    vm = visible_vms(user).filter(pk=pk).first()
    if vm is None:
        raise Http404
    require(user, to, vm)
    return vm


def get_host_or_404(user: User | AnonymousUser, pk: int, *, to: str = "host.view") -> Host:
    """The host; 404 when it does not exist or may not be seen, NotAllowed when it may be seen but not this."""
    host = visible_hosts(user).filter(pk=pk).first()
    if host is None:
        raise Http404
    require(user, to, host)
    return host


def get_operation_or_404(user: User | AnonymousUser, pk: int) -> Operation:
    """The operation; 404 when it does not exist or may not be seen."""
    operation = visible_operations(user).filter(pk=pk).first()
    if operation is None:
        raise Http404
    return operation
