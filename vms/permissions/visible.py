"""What somebody may see: what is not among it does not exist for him, is not counted and is not announced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, Q, QuerySet
from django.http import Http404

from vms.models import Grant, Host, Network, Offer, StoragePool, User, VirtualMachine
from vms.permissions.ask import check_name, require
from vms.permissions.reach import Scope, of_user, reached, reached_hosts, reached_there, scopes, whole_scope
from vms.permissions.who import Who, account, in_scope, is_administrator


def reaches(who: Who, *privileges: str) -> list[Scope]:
    """On what he holds each of the privileges, an administrator on everything; by a token what is not in its scopes on
    nothing. One query, for an administrator none."""
    user, usable = account(who), in_scope(who).intersection(privileges)
    if user is None:
        return [Scope() for _ in privileges]
    if is_administrator(user):
        return [Scope(everything=privilege in usable) for privilege in privileges]
    found = scopes(of_user(user.pk), usable)
    return [found.get(privilege, Scope()) for privilege in privileges]


def there(at: str = "") -> Q:
    """A condition on VMs, or on rows that name one at the path: it is in the dashboard, and not in the trash."""
    return kept(at) & Q(**{f"{at}trashed_at": None})


def kept(at: str = "") -> Q:
    """The same, whether it is in the trash or not."""
    gone = {"deleted_at": None, "placement__isnull": False, "placement__host__removed_at": None}
    return Q(**{f"{at}{name}": value for name, value in gone.items()})


def visible_vms(who: Who, privilege: str = "vm.view") -> QuerySet[VirtualMachine]:
    """The VMs that he may see (or may do that with), with placement and host loaded; neither those deleted here or in
    the trash nor those of a host that was removed are among them."""
    check_name(privilege)
    [scope] = reaches(who, privilege)
    return vms_in(scope).select_related("placement", "placement__host")


def holds_somewhere(who: Who, privilege: str) -> bool:
    """Whether any of his grants gives him that, on whatever; one query, for an administrator none."""
    check_name(privilege)
    return reaches(who, privilege) != [Scope()]


def vms_in(scope: Scope) -> QuerySet[VirtualMachine]:
    return VirtualMachine.objects.filter(there()).filter(reached(scope))


def trashed_vms(who: Who) -> QuerySet[VirtualMachine]:
    """The VMs in the trash that he may delete, with placement, host and trash loaded; to others they are gone."""
    [scope] = reaches(who, "vm.delete")
    there = VirtualMachine.objects.filter(kept(), reached(scope), trashed_at__isnull=False, trash__isnull=False)
    return there.select_related("placement", "placement__host", "trash")


def get_trashed_or_404(who: Who, pk: int) -> VirtualMachine:
    """The VM in the trash; 404 when it is not there or he may not delete it."""
    vm = trashed_vms(who).filter(pk=pk).first()
    if vm is None:
        raise Http404
    return vm


def reached_vms(grants: QuerySet[Grant]) -> QuerySet[VirtualMachine]:
    """The VMs of the dashboard that any of the grants reaches, whatever its role gives there."""
    return VirtualMachine.objects.filter(there(), reached(whole_scope(grants)))


def visible_hosts(who: Who, privilege: str = "host.view") -> QuerySet[Host]:
    """The hosts that he may see (or may do that with); removed ones are not among them."""
    check_name(privilege)
    hosts = Host.objects.filter(removed_at=None)
    [scope] = reaches(who, privilege)
    return hosts.filter(reached_hosts(scope))


def visible_pools(who: Who, privilege: str = "pool.use") -> QuerySet[StoragePool]:
    """The pools with which he may do that; neither those that their host no longer lists nor a removed host's."""
    check_name(privilege)
    [scope] = reaches(who, privilege)
    return pools_in(scope)


def pools_in(scope: Scope) -> QuerySet[StoragePool]:
    pools = StoragePool.objects.filter(present=True, host__removed_at=None)
    return pools.filter(reached_there(scope, scope.pools))


def visible_networks(who: Who, privilege: str = "network.use") -> QuerySet[Network]:
    """The networks with which he may do that; neither those that their host no longer lists nor a removed host's."""
    check_name(privilege)
    [scope] = reaches(who, privilege)
    return networks_in(scope)


def networks_in(scope: Scope) -> QuerySet[Network]:
    networks = Network.objects.filter(present=True, host__removed_at=None)
    return networks.filter(reached_there(scope, scope.networks))


def sees_ground(who: Who) -> frozenset[str]:
    """Of "pools", "networks", "images" and "hosts" those of which there may be something for him: he administers them,
    or may use some, of hosts to make VMs there. Two queries at most."""
    administers = {"pools": "pool.admin", "networks": "network.admin", "images": "image.use", "hosts": "host.use"}
    user, all_of_it = account(who), {noun for noun, name in administers.items() if is_administrator(who, name)}
    if user is None or len(all_of_it) == len(administers):
        return frozenset(all_of_it)
    of_pools, of_networks, of_images, of_hosts = reaches(who, "pool.use", "network.use", "image.use", "host.use")
    there: dict[str, QuerySet[Any]] = {
        "pools": pools_in(of_pools), "networks": networks_in(of_networks), "images": pools_in(of_images),
        "hosts": Host.objects.filter(reached_hosts(of_hosts), removed_at=None),
    }  # fmt: skip
    itself: Any = User.objects.filter(pk=user.pk)
    found = itself.values_list(*(Exists(rows) for rows in there.values())).get()
    return frozenset(all_of_it | {noun for noun, some in zip(there, found, strict=True) if some})


def visible_offers(who: Who) -> QuerySet[Offer]:
    """What is offered on the hosts that he may place VMs on; not a removed host's."""
    [scope] = reaches(who, "host.use")
    hosts = Host.objects.filter(reached_hosts(scope), removed_at=None)
    return Offer.objects.filter(host__in=hosts).select_related("host", "device")


def seen_hosts(who: Who, hosts: Iterable[Host]) -> frozenset[int]:
    """Which of these hosts he may see; no query for an administrator."""
    pks = {host.pk for host in hosts}
    if is_administrator(who, "host.view") or not pks:
        return frozenset(pks)
    return frozenset(visible_hosts(who).filter(pk__in=pks).values_list("pk", flat=True))


def get_vm_or_404(who: Who, pk: int, *, to: str = "vm.view") -> VirtualMachine:
    """The VM; 404 when it does not exist or may not be seen, NotAllowed when it may be seen but not this."""
    vm = visible_vms(who).filter(pk=pk).first()
    if vm is None:
        raise Http404
    if to != "vm.view":
        require(who, to, vm)
    return vm


def get_host_or_404(who: Who, pk: int, *, to: str = "host.view") -> Host:
    """The host; 404 when it does not exist or may not be seen, NotAllowed when it may be seen but not this."""
    host = visible_hosts(who).filter(pk=pk).first()
    if host is None:
        raise Http404
    if to != "host.view":
        require(who, to, host)
    return host


def get_pool_or_404(who: Who, pk: int) -> StoragePool:
    """The pool; 404 when it does not exist or may not be used."""
    pool = visible_pools(who).filter(pk=pk).first()
    if pool is None:
        raise Http404
    return pool


def get_network_or_404(who: Who, pk: int) -> Network:
    """The network; 404 when it does not exist or may not be used."""
    network = visible_networks(who).filter(pk=pk).first()
    if network is None:
        raise Http404
    return network
