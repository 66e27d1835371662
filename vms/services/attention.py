"""What waits for somebody: unread failures, silent hosts; and the ways out of what failed."""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from vms.errors import NotAllowed
from vms.kinds import KINDS, Kind
from vms.models import OPEN_STATES, Host, Operation
from vms.permissions import Who, account, require_for, visible_hosts, visible_operations
from vms.services.audit import Target
from vms.services.operations import is_silent

FAILED = ("failed", "unknown", "refused")
# Its failure is an answer to whoever asked, and stands on the host's page; a silent host asks for attention by itself.
ANSWERS = ("host.test", "pool.discover")
WAYS_OUT = {"network_stopped": "vm.start-with-networks"}


def unread_failures(who: Who) -> QuerySet[Operation]:
    """Failures that nobody has read and that no later success on the same thing has made good, newest first; those of
    a host that was removed wait for nobody."""
    later = Operation.objects.filter(
        target_kind=OuterRef("target_kind"), target_id=OuterRef("target_id"), pk__gt=OuterRef("pk"), state="succeeded"
    ).exclude(kind__in=ANSWERS)
    unread = Q(read_at=None) | Q(read_at__lt=F("ended_at"))
    return (
        visible_operations(who)
        .filter(unread, ~Exists(later), state__in=FAILED)
        .exclude(Q(kind__in=ANSWERS) | Q(host__removed_at__isnull=False))
        .order_by("-pk")
    )


def open_operations(who: Who) -> QuerySet[Operation]:
    """What runs or waits now, newest first."""
    return visible_operations(who).filter(state__in=OPEN_STATES).order_by("-pk")


def silent_hosts(who: Who) -> list[Host]:
    """Those that do not answer, except where that is wanted."""
    return [host for host in visible_hosts(who).filter(left_alone=False).order_by("name") if is_silent(host)]


def way_out(operation: Operation, who: Who) -> Kind | None:
    """The operation that would mend what made this one fail, where there is one that the user may ask for."""
    kind = KINDS.get(WAYS_OUT.get(operation.error_code, ""))
    return kind if kind and may_ask(kind, who, operation.vm) else None


def again(operation: Operation, who: Who) -> Kind | None:
    """The same kind, where the user may ask for it by its own route and it needs no parameters; nothing of a host that
    was removed."""
    if operation.host and operation.host.removed_at:
        return None
    kind = KINDS.get(operation.kind)
    thing = operation.target
    alike = operation.target_kind in ("vm", "host") and not operation.params
    return kind if kind and thing and alike and not kind.apart and may_ask(kind, who, thing) else None


def may_read(operation: Operation, who: Who) -> bool:
    """Whether he may say that a failure has been read, for everybody: who may ask for the same."""
    kind = KINDS.get(operation.kind)
    if kind is None:
        return False
    made = kind.makes and operation.vm is None and operation.actor_user_id == getattr(account(who), "pk", None)
    return made or may_ask(kind, who, operation.target)


def may_ask(kind: Kind, who: Who, thing: Target | None) -> bool:
    try:
        require_for(who, kind, thing, fresh=False)
    except NotAllowed:
        return False
    return thing is not None
