"""Moving a VM to another host over the worker's two connections. What became of it where anything came in between is
said by both hosts (vms.operations.migration_verdict)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Literal, cast

from django.utils import timezone

from vms.errors import (
    Aborted,
    BadDocument,
    HostUnreachable,
    MigrationRefused,
    MovedTooLong,
    NeedsMore,
    NotAllowed,
    NotFound,
    RequestRefused,
)
from vms.kinds import migration as kinds
from vms.kinds.migration import Migrate
from vms.libvirtxml import BadXML, DomainXML, Given, Place, moved, plugged, strayed, without
from vms.models import Host, MoveRoute, Operation, StoragePool, Volume
from vms.operations.migration_verdict import across, target_of, unmake, wish_of
from vms.operations.move_following import followed
from vms.operations.new_volumes import claimed
from vms.operations.power import cannot_be_told
from vms.operations.volumes import actor_of, make_copy, make_empty, places, reading
from vms.operations.way import Facts, Way
from vms.operations.work import Work, domain
from vms.permissions import Actor, may, require, visible_networks
from vms.services import placement
from vms.services.move_routes import route
from vms.services.moving import pool_of
from vms.services.operations import refuse_silent
from vms.virt import Connection, Domain, HostSpec, Move, VolumeFacts, connect

# What was judged longer ago than this is judged once more by what is known now.
OLD: Final = timedelta(seconds=10)
PEERS: Final = {"tls": "qemu+tls", "ssh": "qemu+ssh", "tcp": "qemu+tcp"}


@dataclass
class Plan:
    """What was found of the way there. live, next: where its disks are on the target, for both documents. files,
    volumes: the same as what a definition may name there. by_hand: whether all that is not copied is one storage by an
    administrator's word."""

    live: dict[tuple[str, str], Place] = field(default_factory=dict)
    next: dict[tuple[str, str], Place] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    volumes: dict[tuple[str, str], str] = field(default_factory=dict)
    by_hand: bool = True

    def add(self, row: Volume, source: Host, pool: StoragePool, name: str, facts: VolumeFacts) -> None:
        """The volume is there, in that pool under that name."""
        block = facts.kind == "block"
        for how, where in places(row, source):
            self.live[how, where] = Place(facts.path, block)
            self.next[how, where] = Place(pool=pool.name, volume=name) if how == "volume" else Place(facts.path, block)
        self.files[facts.path] = row.format
        self.volumes[pool.name, name] = row.format


def do(work: Work) -> None:
    operation, wish = work.operation, wish_of(work.operation)
    actor, target, source = actor_of(operation), target_of(operation), operation.host
    if actor is None or actor.user is None or source is None:
        raise NotAllowed(privilege=kinds.MIGRATE.privileges[0])
    require(actor, "host.use", target)
    if operation.vm is not None and timezone.now() - operation.queued_at > OLD:
        placement.refuse(actor, operation.vm, target, wish)
    way = route(source, target)
    if wish.copy_storage and not way.is_private:
        raise refused(operation, target, "clear_copy")
    there = domain(work.connection, operation)
    with reaching(target) as other:
        require_free(other, operation, target)
        try:
            plan = reached(operation, source, target, other, wish)
            copied(work, other, wish, actor, plan)
            move = planned(there, wish, way, plan, target)
            networks = {one.name for one in visible_networks(actor).filter(host=target)}
            for text in filter(None, (move.document, move.next_boot)):
                judge(actor, operation, target, text, plan, networks)
            work.may_go_on()
        except RequestRefused:
            unmake(operation, lambda host: nullcontext(other))
            raise
        work.log("migrates", host=target.name, way=way.way)
        if operation.before["autostart"]:
            # Its definition stays there when the host is lost in the moment in which it goes over.
            there.start_with_host(False)
            work.log("starts_with_none")
        with followed(work, operation.before["uuid"], wish, target.name) as following:
            try:
                with nullcontext() if move.peer else other.breaking_after(work.connection):
                    there.move(other, move)
            except Aborted as aborted:
                if following.late and not following.ended:
                    raise MovedTooLong(aborted.details, seconds=wish.timeout_s) from None
                raise


@contextmanager
def reaching(target: Host) -> Iterator[Connection]:
    """A connection to the target of its own, which no silence of the target ends by itself: that is decided by the
    operation's silence, which cuts the source's first."""
    try:
        refuse_silent(target)
    except RequestRefused as silent:
        raise HostUnreachable(silent.code) from None
    with connect(HostSpec(**target.spec_fields()), patient=True) as other:
        yield other


def refused(operation: Operation, target: Host, cause: str) -> MigrationRefused:
    return MigrationRefused(name=operation.target_name, host=target.name, cause=cause)


def require_free(other: Connection, operation: Operation, target: Host) -> None:
    """MigrationRefused where the target has one of that name or UUID."""
    try:
        other.domain(operation.before["uuid"])
    except NotFound:
        if not other.has_domain(operation.before["name"]):
            return
    raise refused(operation, target, "taken")


def reached(operation: Operation, source: Host, target: Host, other: Connection, wish: Migrate) -> Plan:
    """Where the target has what is not copied, asked of it now. Raises MigrationRefused for what it has not."""
    plan, looked = Plan(), set[int]()
    copies = {disk["volume"] for disk in wish.disks}
    rows = Volume.objects.filter(vms=operation.vm).exclude(pk__in=copies).select_related("storage")
    for row in rows:
        pool = pool_of(target, row)
        old = pool_of(source, row)
        if pool is None:
            raise refused(operation, target, "no_disk")
        try:
            if pool.pk not in looked:
                # What the other hosts put there it has not seen itself.
                other.pool(str(pool.uuid)).refresh()
                looked.add(pool.pk)
            facts = other.volume(str(pool.uuid), row.name).facts()
        except NotFound:
            raise refused(operation, target, "no_disk") from None
        plan.by_hand = plan.by_hand and (pool.by_hand or bool(old and old.by_hand))
        plan.add(row, source, pool, row.name, facts)
    return plan


def copied(work: Work, other: Connection, wish: Migrate, actor: Actor, plan: Plan) -> None:
    """Make the volumes there; of a VM that is off also what is in them."""
    source = work.operation.host
    pool = StoragePool.objects.filter(pk=wish.pool, host=wish.host, present=True).first() if wish.copy_storage else None
    if not wish.disks:
        return
    if pool is None or source is None:
        raise NotFound(work.operation.target_name)
    require(actor, "pool.use", pool)
    there = replace(work, connection=other)
    for disk in wish.disks:
        row = Volume.objects.filter(pk=disk["volume"]).first()
        if row is None:
            raise NotFound(disk["name"])
        with claimed(pool, disk["name"], actor.user, format=disk["format"]) as made:
            if wish.mode == "offline":
                copy_off(work, there, source, row, made, pool)
            else:
                size = domain(work.connection, work.operation).disk_size(disk["target"])
                make_empty(there, pool, made.name, size, disk["format"])
        plan.add(row, source, pool, made.name, other.volume(str(pool.uuid), made.name).facts())


def copy_off(work: Work, there: Work, source: Host, row: Volume, made: Volume, pool: StoragePool) -> None:
    """Byte by byte."""
    old = pool_of(source, row)
    if old is None:
        raise NotFound(row.name)
    with reading(work.connection, old, row) as (way, parts, length):
        make_copy(there, there.connection, pool, made, parts, length)
        way.finish()
    there.connection.pool(str(pool.uuid)).refresh()


def planned(there: Domain, wish: Migrate, way: MoveRoute, plan: Plan, target: Host) -> Move:
    """Raises BadDocument for what is no definition."""
    live, after = there.movable()
    address = way.address or (target.address if target.transport != Host.Transport.SSH else "")
    peer = f"{PEERS[way.peer_transport]}://{way.address or target.address}/system" if way.peer else ""
    try:
        return Move(
            mode=cast(Literal["live", "paused", "offline"], wish.mode),
            way=cast(Literal["tls", "clear", "tunnel"], way.way),
            peer=peer,
            address=address,
            bandwidth_mib=wish.bandwidth_mib,
            document=moved(DomainXML.parse(live), plan.live).text if live else "",
            next_boot=moved(DomainXML.parse(after), plan.next).text,
            copies=tuple(disk["target"] for disk in wish.disks),
            postcopy=wish.postcopy,
            unsafe=bool(plan.files) and plan.by_hand and not wish.disks,
        )
    except BadXML as error:
        raise BadDocument(str(error)) from None


def judge(
    actor: Actor, operation: Operation, target: Host, text: str, plan: Plan, networks: set[str]
) -> None:  # fmt: skip
    """NeedsMore where the definition names things of its host that are not by rows of ours the same on the target, and
    he may not write any definition there: the path of a disk here is another's file there. networks: those of the
    target that he may use."""
    given = Given(volumes=plan.volumes, files=plan.files, uuid=operation.before["uuid"])
    try:
        found = strayed(None, without(plugged(DomainXML.parse(text), networks).text, given))
    except BadXML as error:
        raise BadDocument(str(error)) from None
    if found and not (may(actor, "vm.define", operation.vm) and may(actor, "host.admin", target)):
        raise NeedsMore(privilege=found[0].privilege, place=found[0].place)


def facts(connection: Connection, operation: Operation) -> Facts:
    """As it was before."""
    info = domain(connection, operation).info()
    known = operation.vm.placement if operation.vm else None
    since = known.state_since if known and known.state == info.state else None
    return {
        "uuid": info.uuid, "name": info.name, "state": info.state, "autostart": info.autostart, "run": info.run_id,
        "since": since.isoformat() if since else "",
    }  # fmt: skip


WAYS: Final = {kinds.MIGRATE.name: Way(do, facts, cannot_be_told, across=across)}
