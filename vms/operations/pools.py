"""Storage pools: made, started, stopped, looked through, forgotten; and looked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.db.models.functions import Now

from vms.errors import BadFields, HostUnreachable, InvalidState, NoPoolDriver, NotFound, PoolInUse, PoolTaken, VirtError
from vms.kinds import Autostart
from vms.kinds import pools as kinds
from vms.libvirtxml import (
    SECRETS,
    BadPool,
    PoolSpec,
    made_pool,
    read_spec,
    secret_name,
    spec_name,
    spec_type,
    used_sources,
)
from vms.models import Operation, StoragePool
from vms.operations.verdicts import is_active, is_gone, is_set, is_stopped
from vms.operations.way import Facts, Trial, Verdict, Way
from vms.operations.work import Work
from vms.virt import Connection, HostSpec, Pool, connect


def spec_of(operation: Operation) -> PoolSpec:
    """What is to be made, judged once more. Raises BadFields."""
    params = kinds.Definition.from_json(operation.params)
    try:
        return read_spec(params.spec, own=[str(settings.ENVIRONMENT.state.root)], confirmed=params.confirmed)
    except BadPool as bad:
        raise BadFields(bad.faults) from None


def define(work: Work) -> None:
    """Make it and start it; where a step fails, nothing of it stays but what was built."""
    spec, params = spec_of(work.operation), kinds.Definition.from_json(work.operation.params)
    connection, type, name = work.connection, spec_type(spec), spec_name(spec)
    known = connection.pool_types()
    if known and type not in known:
        raise NoPoolDriver(type=type)
    if any(pool.name == name for pool in connection.pools()):
        raise PoolTaken(name=name)
    with contextlib.ExitStack() as undo:
        secret, usage = SECRETS.get(type, ("", ""))
        if secret and (value := work.secrets.get(secret)):
            uuid = connection.set_secret(usage, secret_name(name), value)
            undo.callback(quietly, lambda: connection.delete_secret(uuid))
            work.log("secret_kept", name=name)
        pool = connection.define_pool(made_pool(spec))
        undo.callback(quietly, pool.undefine)
        work.log("pool_made", pool=name)
        if type in ("dir", "netfs", "fs") or params.build:
            pool.build(type, anew=params.build)
            work.heard()
        pool.start()
        undo.callback(quietly, pool.stop)
        if params.autostart:
            pool.start_with_host(enabled=True)
        undo.pop_all()


def quietly(step: Callable[[], object]) -> None:
    """Undo what can be undone: why it was given up matters more."""
    with contextlib.suppress(VirtError):
        step()


def made_facts(connection: Connection, operation: Operation) -> Facts:
    name = spec_name(spec_of(operation))
    there = next((pool for pool in connection.pools() if pool.name == name), None)
    return {"there": there is not None, "active": bool(there and there.active)}


def is_made(before: Facts, now: Facts) -> Verdict:
    if not now["there"]:
        return Verdict.UNDONE
    return Verdict.DONE if now["active"] and not before["there"] else Verdict.UNKNOWN


def row(operation: Operation) -> StoragePool:
    if operation.pool is None:
        raise NotFound(operation.target_name)
    return operation.pool


def pool_of(connection: Connection, operation: Operation) -> Pool:
    """The operation's pool on its host."""
    return connection.pool(str(row(operation).uuid))


def facts(connection: Connection, operation: Operation) -> Facts:
    try:
        info = pool_of(connection, operation).info()
    except NotFound:
        return {"there": False, "active": False, "autostart": False}
    return {"there": True, "active": info.active, "autostart": info.autostart, **asked(operation)}


def asked(operation: Operation) -> Facts:
    """What an autostart is to be; nothing for the rest."""
    return {"wanted": operation.params["enabled"]} if operation.kind == kinds.AUTOSTART.name else {}


def start(work: Work) -> None:
    pool = pool_of(work.connection, work.operation)
    if not pool.info().active:
        pool.start()


def stop(work: Work) -> None:
    pool = pool_of(work.connection, work.operation)
    if pool.info().active:
        pool.stop()


def refresh(work: Work) -> None:
    pool_of(work.connection, work.operation).refresh()
    StoragePool.objects.filter(pk=row(work.operation).pk).update(refreshed_at=Now())


def autostart(work: Work) -> None:
    enabled = Autostart.from_json(work.operation.params).enabled
    pool_of(work.connection, work.operation).start_with_host(enabled)


def delete(work: Work) -> None:
    """Let the host forget it; what is in it goes first where that was asked for, and nothing while a VM uses any."""
    pool = pool_of(work.connection, work.operation)
    info = pool.info()
    if kinds.Deletion.from_json(work.operation.params).wipe:
        if not info.active:
            raise InvalidState(f"{info.name} is stopped, so what is in it cannot be deleted")
        volumes = [each for each in work.connection.volumes(info.uuid) if each.kind not in ("dir", "netdir")]
        used = used_paths(work.connection)
        for volume in volumes:
            if volume.path in used or (info.name, volume.name) in used:
                raise PoolInUse(name=info.name, vm=used.get(volume.path) or used[info.name, volume.name])
        for volume in volumes:
            pool.delete_volume(volume.name)
            work.heard()
            work.may_go_on()
        work.log("volumes_deleted", number=str(len(volumes)))
    if pool.info().active:
        pool.stop()
    if info.persistent:
        pool.undefine()
    forget_secret(work, info.name)


def used_paths(connection: Connection) -> dict[object, str]:
    """{path of a disk, or (pool, volume): the VM that has it}, of all VMs of the host."""
    found: dict[object, str] = {}
    for domain in connection.domains():
        for text in filter(None, (domain.live_xml, domain.next_boot_xml)):
            for source in used_sources(text):
                found.setdefault(source, domain.name)
    return found


def forget_secret(work: Work, name: str) -> None:
    """The secret that was made with it goes with it."""
    for secret in work.connection.secrets():
        if secret.name == secret_name(name):
            quietly(lambda uuid=secret.uuid: work.connection.delete_secret(uuid))  # type: ignore[misc]


def nothing_to_see(before: Facts, now: Facts) -> Verdict:
    """Looking through it leaves no mark; to do it again harms nothing."""
    return Verdict.DONE if now["there"] else Verdict.UNDONE


WAYS: Final = {
    kinds.DEFINE.name: Way(define, made_facts, is_made),
    kinds.START.name: Way(start, facts, is_active),
    kinds.STOP.name: Way(stop, facts, is_stopped),
    kinds.REFRESH.name: Way(refresh, facts, nothing_to_see),
    kinds.AUTOSTART.name: Way(autostart, facts, is_set),
    kinds.DELETE.name: Way(delete, facts, is_gone),
}


def discover(operation: Operation, hold: Callable[[Connection], None]) -> dict[str, Any]:
    """What a pool of the type could be made of."""
    host, params = operation.host, kinds.Search.from_json(operation.params)
    if host is None:
        raise HostUnreachable
    with connect(HostSpec(**host.spec_fields())) as connection:
        hold(connection)
        found = connection.pool_sources(params.type, params.server, params.port, params.initiator)
        return {"sources": found}


TRIALS: Final = {kinds.DISCOVER.name: Trial(discover)}
