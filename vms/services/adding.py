"""What is added or started while the form of a new VM waits for it (docs/decisions/0083)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.http import Http404
from django.utils import timezone

from vms.kinds import KINDS
from vms.libvirtxml import spec_name
from vms.models import ImageCopy, Network, Operation, StoragePool
from vms.permissions import Actor, Who, may, visible_networks, visible_operations, visible_pools
from vms.services import images, networks, placing, pools
from vms.services.attention import FAILED
from vms.services.wishes import Plan, Wish

# What adds something that a form offers.
ADDING: Final = ("image.fetch", "pool.define", "network.define")
# So long after it ended the watcher may need to see what an operation has done.
SEEN_WITHIN: Final = timedelta(seconds=10)
# So long the form says why something did not start.
TOLD_FOR: Final = timedelta(minutes=10)
# What is said of a wish while something is stopped.
IN_THE_WAY: Final = {"vm_network_stopped", "vm_pool_stopped"}
# So many stopped pools are named where none is started.
MOST: Final = 3


@dataclass(frozen=True)
class Stopped:
    """What has to run first. may: whether he may start it. starting: somebody is about to. failed: the operation that
    did not start it."""

    noun: str
    thing: Network | StoragePool
    may: bool
    starting: bool
    failed: Operation | None


def may_add(who: Who) -> Mapping[str, bool]:
    """What he may add: {noun: whether}."""
    return {
        "image": images.pools_to_fill(who).exists(),
        "pool": may(who, pools.PRIVILEGE),
        "network": may(who, networks.PRIVILEGE),
    }


def get_adding_or_404(actor: Actor, pk: int) -> Operation:
    """His own operation that adds something."""
    found = visible_operations(actor).filter(pk=pk, kind__in=ADDING, actor_user=actor.user).first()
    if found is None:
        raise Http404
    return found


def is_fresh(operation: Operation) -> bool:
    """Whether it is open, or has ended so lately that what it did may not be seen yet."""
    return operation.is_open or (operation.state == "succeeded" and ended_within(operation, SEEN_WITHIN))


def ended_within(operation: Operation, time: timedelta) -> bool:
    return operation.ended_at is not None and timezone.now() - operation.ended_at < time


def added(who: Who, operation: Operation) -> tuple[str, int] | None:
    """The field of the form and the row that it chooses then; None while that is not there, or not for him."""
    if operation.state != "succeeded":
        return None
    params: Any = operation.params
    if operation.kind == "pool.define":
        name = spec_name(pools.read(params["spec"], params["confirmed"]))
        pool = visible_pools(who).filter(host=operation.host, name=name, active=True).first()
        return ("pool", pool.pk) if pool else None
    if operation.kind == "network.define":
        name = networks.read(params["spec"]).name
        network = visible_networks(who).filter(host=operation.host, name=name).first()
        return ("network", network.pk) if network else None
    storage = operation.pool.storage_id if operation.pool else None
    copies = ImageCopy.objects.filter(volume__storage=storage, volume__name=params["name"], volume__present=True)
    copy = copies.select_related("image").filter(image__in=images.find_images(who)).first()
    return ("iso" if copy.image.kind == "iso" else "image", copy.image_id) if copy else None


def stopped(actor: Actor, wish: Wish, made: Plan | None) -> list[Stopped]:
    """What is in the way of the wish, or missing in what is made of it, because it is stopped: what was chosen, the
    network that a card would be on, or pools where none is started."""
    chosen = [disk.pool for disk in wish.disks if disk.pool is not None]
    found: list[Network | StoragePool] = []
    if chosen:
        found += visible_pools(actor).filter(pk__in=chosen, active=False)
    if wish.networks:
        found += visible_networks(actor).filter(pk__in=wish.networks, active=False)
    if made and not made.networks and wish.networks is None and placing.is_filtered(made.place.host):
        found += placing.usable_networks(actor, made.place.host)[:1]
    if made is None and not chosen:
        hosts = [host for host in placing.usable_hosts(actor) if wish.host in (None, host.pk)]
        there = visible_pools(actor).filter(host__in=hosts).order_by("name", "pk")
        found += [] if there.filter(active=True).exists() else there[:MOST]
    return [line(actor, thing) for thing in found]


def line(actor: Actor, thing: Network | StoragePool) -> Stopped:
    """What is said of it, with what came of the last try of a few minutes."""
    noun = "network" if isinstance(thing, Network) else "pool"
    kind = KINDS[f"{noun}.start"]
    last = (
        visible_operations(actor).filter(target_kind=noun, target_id=thing.pk, kind=kind.name).order_by("-pk").first()
    )
    return Stopped(
        noun=noun,
        thing=thing,
        may=all(may(actor, privilege, thing) for privilege in kind.privileges),
        starting=bool(last and is_fresh(last)),
        failed=last if last and last.state in FAILED and ended_within(last, TOLD_FOR) else None,
    )
