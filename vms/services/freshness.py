"""How old what we know of a host is: pages say it only where it is older than it should be."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from django.utils import timezone

from vms.models import Host, Placement, VirtualMachine
from vms.services.operations import is_silent

Freshness = Literal["live", "silent", "old", "new", "alone"]

# The watcher's heartbeat is 5 s; a host unheard for three of them is said to be old.
OLD_AFTER = timedelta(seconds=15)


def freshness(host: Host) -> Freshness:
    """live; silent: the watcher does not hear the host; old: the watcher itself is not heard; new: never read;
    alone: nobody connects to it, because somebody wanted it so."""
    if host.left_alone:
        return "alone"
    if is_silent(host):
        return "silent"
    if host.heard_at is None:
        return "new"
    # One that was heard in the future was heard before the clock was set back.
    if host.error_code or abs(timezone.now() - host.heard_at) > OLD_AFTER:
        return "old"
    return "live"


def shown_state(placement: Placement, fresh: Freshness) -> str:
    """The state that a page shows: new (no host has told of it yet), gone, silent (the host does not answer, or is left
    alone), or the last known one."""
    if not placement.present:
        return "gone" if placement.read_at else "new"
    return "silent" if fresh in ("silent", "alone") else placement.state


def placed(vm: VirtualMachine) -> Placement:
    """Where a visible VM is; permissions show none without a placement."""
    if vm.placement is None:
        raise LookupError(f"VM {vm.pk} is on no host")
    return vm.placement
