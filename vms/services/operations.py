"""Asking for work: the row, its lock and the knock at the workers' door in one transaction."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from vms import live
from vms.errors import (
    BadParameters,
    HostLeftAlone,
    HostSilent,
    NoPool,
    NotCancellable,
    NotKept,
    PastReturn,
    VmProtected,
    WrongState,
)
from vms.kinds import KINDS, Kind, Params
from vms.models import (
    OPEN_STATES,
    Host,
    Lease,
    Network,
    Operation,
    OperationLog,
    OperationState,
    Placement,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
)  # fmt: skip
from vms.permissions import Actor, require_for
from vms.services import audit, quotas, twins, unmade
from vms.services.audit import NOUNS, Target
from vms.services.locks import release, share_lock, take_locks
from vms.services.sealing import seal
from vms.services.telling import host_name

logger = logging.getLogger(__name__)

KEY_LIVES = timedelta(hours=24)
# How long an operation waits for a host that is silent.
PATIENCE = timedelta(hours=1)


def place(target: Host | StoragePool | Volume | Network) -> tuple[Host, dict[str, Any]]:
    """The host on which something is done to what is not a VM, and the target as fields of the row, of a volume with
    the pool by which it is reached: of a storage that several hosts have, on one that is heard before one that is
    silent. Raises NoPool where none has it."""
    if isinstance(target, Host):
        return target, {}
    if isinstance(target, Volume):
        pool = pool_of(target)
        return pool.host, {"volume": target, "pool": pool}
    return target.host, {NOUNS[type(target)]: target}


def pool_of(volume: Volume) -> StoragePool:
    """The pool by which the volume is reached; NoPool where no host that is in the dashboard shows its storage."""
    found = by_reach(StoragePool.objects.filter(storage=volume.storage_id)).first()
    if found is None:
        raise NoPool(name=volume.name)
    return found


def by_reach(pools: QuerySet[StoragePool]) -> QuerySet[StoragePool]:
    """Those that are there, the one by which their storage is reached first."""
    there = pools.filter(present=True, host__removed_at=None).select_related("host")
    return there.order_by("-active", "host__error_code", "host__left_alone", "pk")


def named(target: Target) -> str:
    """ "vm:12", "host:2", "pool:3"; also the key of its lock."""
    return f"{NOUNS[type(target)]}:{target.pk}"


def is_silent(host: Host) -> bool:
    """Whether the last word of a watcher was that it does not hear this host."""
    return bool(host.error_code)


def refuse_silent(host: Host, name: str | None = None) -> None:
    """HostLeftAlone where somebody wants it left alone, HostSilent while a living watcher does not hear it; where the
    watcher itself is silent, the worker tries by itself. name: what the host is called to who asks, "" for nothing."""
    called = host.name if name is None else name
    if host.left_alone or host.removed_at:
        raise HostLeftAlone(host=called)
    if is_silent(host) and Lease.objects.filter(Lease.standing(), host=host).exists():
        raise HostSilent(host.error_details, host=called, since=host.heard_at.isoformat() if host.heard_at else "")


def how_long(host: Host, *, wait: bool, name: str) -> datetime | None:
    """Until when an operation on this host is to wait for it, None where it need not; HostSilent if it may not."""
    try:
        refuse_silent(host, name)
    except HostSilent:
        if not wait:
            raise
        return timezone.now() + PATIENCE
    return None


def request(
    kind: Kind,
    target: Target,
    *,
    actor: Actor,
    params: Params | None = None,
    idempotency_key: str | None = None,
    parent: Operation | None = None,
    wait: bool = False,
    batch: UUID | None = None,
    takes: Mapping[str, int] | None = None,
    charged_to: quotas.Subject | None = None,
    secrets: Mapping[str, str] | None = None,
    locks: Iterable[str] = (),
) -> Operation:
    """The queued operation, enqueued on commit; the same row for the same actor and idempotency key.

    wait: on a silent host it waits for up to an hour until that is heard, instead of being refused. takes: how much the
    kind uses up of each resource that it names, charged to the actor or to whom it says. secrets: those of the kind
    that are given. locks: what else it holds while it is queued or runs ("volume:8"), beside what its parameters say.
    Raises NotAllowed, NotFresh, BadParameters, WrongState, RunsElsewhere, HostSilent, OverQuota, or Locked naming the
    operation that holds the target, or starts another VM of its UUID; ValueError where not all that the kind takes is
    told.
    """
    if kind.takes != set(takes or {}):
        raise ValueError(f"{kind.name} takes {sorted(kind.takes)}")
    if set(secrets or {}) - kind.secrets:
        raise ValueError(f"{kind.name} has the secrets {sorted(kind.secrets)}")
    require_for(actor, kind, target)
    if not isinstance(params or Params(), kind.params):
        raise BadParameters(field="params")
    with transaction.atomic():
        if idempotency_key:
            # One after the other, so that the second finds the first's row (SQLite has one writer anyway).
            list(User.objects.select_for_update().filter(pk=actor.user.pk).values_list("pk", flat=True))
            known = asked_before(kind, target, actor, params or Params(), idempotency_key)
            if known:
                return known
        uuid = ""
        if not isinstance(target, VirtualMachine):
            host, columns = place(target)
        else:
            placement = check_placement(kind, target)
            host, columns = placement.host, {"vm": target}
            if kind.starts:
                uuid = str(placement.uuid)
                twins.refuse_second_run(placement, actor)
        waits_until = None if kind.unheard else how_long(host, wait=wait, name=host_name(actor, host))
        operation = Operation.objects.create(
            kind=kind.name,
            actor_user=actor.user,
            actor_name=actor.user.get_username(),
            actor_session=actor.session_key,
            actor_token=actor.token,
            parent=parent,
            target_kind=kind.target,
            target_id=target.pk,
            target_name=target.name,
            host=host,
            **columns,
            node=host.node,
            queue=kind.queue,
            params=(params or Params()).to_json(),
            idempotency_key=idempotency_key,
            waits_until=waits_until,
            batch=batch,
        )
        if secrets:
            operation.sealed = seal(json.dumps(dict(secrets)), operation.sealed_for)
            operation.save(update_fields=["sealed"])
        if takes:
            quotas.reserve(operation, charged_to or actor.user, takes)
        if waits_until:
            OperationLog.objects.create(operation=operation, code="waits", params={"host": host.name})
        supersede(kind, operation)
        own = [named(target)] if kind.lock else []
        take_locks(operation, *own, *locks, *([f"uuid:{uuid}"] if uuid else []))
        for key in (params or Params()).together:
            share_lock(operation, key)
        facts = {"params": operation.params} if operation.params else {}
        audit.record(f"asked:{kind.name}", actor=actor, target=target, operation=operation.pk, **facts)
        live.announce([f"op:{operation.pk}", named(target)])
        transaction.on_commit(lambda: knock(operation))
    return operation


def asked_before(kind: Kind, target: Target, actor: Actor, params: Params, idempotency_key: str) -> Operation | None:
    """The actor's operation of this key in the last 24 hours; BadParameters when it was another request."""
    same_key = Operation.objects.filter(actor_user=actor.user, idempotency_key=idempotency_key)
    same_key.filter(queued_at__lt=timezone.now() - KEY_LIVES).update(idempotency_key=None)
    known = same_key.first()
    if known and (known.kind, known.target_id, known.params) != (kind.name, target.pk, params.to_json()):
        raise BadParameters(field="Idempotency-Key")
    return known


def of_what_is_gone(actor: Actor, kind: Kind, pk: int, idempotency_key: str | None) -> Operation | None:
    """The actor's operation of this key in the last 24 hours that took the thing of that id out of his sight, so that
    who asks once more is told the same; None where there is none, or it was another request."""
    known = of_key(actor, idempotency_key) if idempotency_key else None
    alike = known and (known.kind, known.target_kind, known.target_id) == (kind.name, kind.target, pk)
    return known if alike else None


def asked_with(
    actor: Actor, kind: Kind, pk: int, idempotency_key: str | None, **params: object
) -> Operation | None:  # fmt: skip
    """The same of what is still there, where it was asked for with these parameters."""
    known = of_what_is_gone(actor, kind, pk, idempotency_key)
    return known if known and all(known.params.get(name) == value for name, value in params.items()) else None


def of_key(actor: Actor, idempotency_key: str) -> Operation | None:
    """The actor's operation of this key in the last 24 hours, whatever it was."""
    since = timezone.now() - KEY_LIVES
    return Operation.objects.filter(
        actor_user=actor.user, idempotency_key=idempotency_key, queued_at__gte=since
    ).first()  # fmt: skip


def check_placement(kind: Kind, vm: VirtualMachine) -> Placement:
    """Where the VM is; WrongState when its state forbids the kind, it is gone, or it is in the trash or a template
    and the kind not for that, or the reverse; NotKept when its host forgets it; VmProtected when the kind spares it."""
    placement = Placement.objects.select_related("host", "current_of").get(current_of=vm)
    trashed = placement.current_of.trashed_at is not None
    if kind.of_trash != "too" and trashed != (kind.of_trash == "only"):
        raise WrongState(name=vm.name, state="trashed" if trashed else placement.state)
    templated = placement.current_of.templated_at is not None
    if kind.of_template != "too" and templated != (kind.of_template == "only"):
        raise WrongState(name=vm.name, state="template" if templated else placement.state)
    if not placement.present and not trashed and not kind.makes:
        raise WrongState(name=vm.name, state="gone")
    if kind.states and placement.state not in kind.states:
        raise WrongState(name=vm.name, state=placement.state)
    if kind.kept and not placement.persistent:
        raise NotKept(name=vm.name)
    if kind.spares and placement.current_of.protected:
        raise VmProtected(name=vm.name)
    return placement


def supersede(kind: Kind, operation: Operation) -> None:
    """End what this kind ends on the same target, and free what it held."""
    ended = Operation.objects.filter(
        target_kind=operation.target_kind, target_id=operation.target_id, kind__in=kind.supersedes,
        state__in=OPEN_STATES,
    ).exclude(pk=operation.pk)  # fmt: skip
    for each in ended:
        if Operation.objects.filter(pk=each.pk, state__in=OPEN_STATES).update(
            state=OperationState.SUPERSEDED, superseded_by=operation, ended_at=timezone.now(), sealed=""
        ):
            audit.record_end(each, OperationState.SUPERSEDED)
            release(each)
            live.announce([f"op:{each.pk}"])


def queue_name(queue: str, node: str) -> str:
    """Celery's queue: a node's own, or the one of all nodes for hosts that belong to none."""
    return f"{queue}.{node}" if node else queue


def knock(operation: Operation) -> None:
    """Tell the workers at once; when Redis is away they find the row by themselves within seconds. Nobody is told of
    what waits for its first byte, or is a plan."""
    if operation.queue in ("transfer", "plan"):
        return
    try:
        current_app.send_task(
            "vms.tasks.run_operation",
            args=[operation.pk],
            queue=queue_name(operation.queue, operation.node),
            retry=False,
        )
    except OperationalError as error:
        logger.warning("operation %s waits for the workers' next look: %s", operation.pk, error)


def cancel(operation: Operation, *, actor: Actor) -> Operation:
    """Ask for its end; a queued or waiting one ends at once. NotCancellable when the kind or its state forbids it,
    PastReturn where it goes on in another place already.

    Needs the privileges that started it.
    """
    if operation.kind not in KINDS:
        # A newer version asked for it: what it needs and what ends it is known there.
        raise NotCancellable(title=operation.kind)
    kind = KINDS[operation.kind]
    target = operation.target
    require_for(actor, kind, target, fresh=False)
    if operation.result.get("postcopy") and operation.state == OperationState.RUNNING:
        raise PastReturn(name=operation.target_name)
    with transaction.atomic():
        ended = Operation.objects.filter(
            Q(state=OperationState.QUEUED) | Q(state=OperationState.WAITING), pk=operation.pk
        ).update(state=OperationState.CANCELLED, ended_at=timezone.now(), cancel_requested=True, sealed="")
        if ended:
            release(operation)
            unmade.forget(operation, OperationState.CANCELLED)
        elif not (
            kind.cancellable
            and Operation.objects.filter(pk=operation.pk, state=OperationState.RUNNING).update(
                state=OperationState.CANCELLING, cancel_requested=True
            )
        ):
            raise NotCancellable(title=kind.title)
        audit.record(f"cancelled:{kind.name}", actor=actor, target=target, operation=operation.pk)
        names: list[Any] = [f"op:{operation.pk}", f"{operation.target_kind}:{operation.target_id}"]
        live.announce(names)
    operation.refresh_from_db()
    return operation


@transaction.atomic
def mark_read(operation: Operation, *, actor: Actor) -> None:
    """A failure that somebody has read no longer asks for attention, of nobody: so it needs the right to try again."""
    target, kind = operation.target, KINDS[operation.kind]
    # Of what was not made nobody else hears.
    if not (kind.makes and operation.vm is None and operation.actor_user_id == actor.user.pk):
        require_for(actor, kind, target, fresh=False)
    unread = Q(read_at=None) | Q(read_at__lt=F("ended_at"))
    now = timezone.now()
    # Not before its end, also where the clock was set back since.
    if Operation.objects.filter(unread, pk=operation.pk).update(read_at=max(now, operation.ended_at or now)):
        audit.record(f"read:{operation.kind}", actor=actor, target=target, operation=operation.pk)
    live.announce([f"op:{operation.pk}", f"{operation.target_kind}:{operation.target_id}"])
