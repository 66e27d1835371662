"""Changes of a host itself, and trying whether it can be reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vms import live
from vms.errors import HostKeyChanged, HostKeyUnknown, HostUnreachable, SameMachine
from vms.kinds import hosts as kinds
from vms.models import Host, Operation
from vms.operations.way import Facts, Trial, Verdict, Way
from vms.operations.work import Work
from vms.virt import Connection, HostSpec, connect, fingerprint, kind, offered_key

# What the log says for a step; starting a network that is defined anew needs no line of its own.
LINES: Final = {
    "network_started": ("network_started", {"network": "default"}),
    "pool_defined": ("pool_made", {"pool": "default"}),
    "pool_started": ("pool_started", {"pool": "default"}),
    "network_autostart": ("autostart", {"name": "default"}),
    "pool_autostart": ("autostart", {"name": "default"}),
}


def get_ready(work: Work) -> None:
    for step in work.connection.make_ready():
        if step in LINES:
            code, params = LINES[step]
            work.log(code, **params)


def facts(connection: Connection, operation: Operation) -> Facts:
    return {"missing": connection.missing()}


def nothing_missing(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["missing"] else Verdict.DONE


WAYS: Final = {kinds.GET_READY.name: Way(get_ready, facts, nothing_missing)}


def try_connection(operation: Operation, hold: Callable[[Connection], None]) -> dict[str, Any]:
    """Who answers there; every step that fails is an error of its own. A key of the machine that nobody has accepted
    is kept as the one that it offers."""
    host = operation.host
    if host is None:
        raise HostUnreachable
    spec = HostSpec(**host.spec_fields())
    if host.transport == Host.Transport.SSH and not host.host_key:
        line = keep_offer(host, spec)
        raise HostKeyUnknown(kind=kind(line), fingerprint=fingerprint(line))
    try:
        with connect(spec) as connection:
            hold(connection)
            facts = connection.info()
    except HostKeyChanged as error:
        line = keep_offer(host, spec)
        raise HostKeyChanged(
            error.details, accepted=fingerprint(host.host_key), kind=kind(line), fingerprint=fingerprint(line)
        ) from None
    twin = Host.objects.filter(libvirt_uuid=facts.uuid or None, driver=host.driver, removed_at=None)
    if facts.uuid and (other := twin.exclude(pk=host.pk).first()):
        raise SameMachine(host=other.name, host_id=other.pk)
    return {
        "uuid": facts.uuid, "hostname": facts.hostname, "libvirt_version": facts.libvirt_version,
        "driver": host.driver,
    }  # fmt: skip


def keep_offer(host: Host, spec: HostSpec) -> str:
    """The key that the machine shows now, stored for somebody to compare and accept."""
    line = offered_key(spec)
    if Host.objects.filter(pk=host.pk).exclude(offered_key=line).update(offered_key=line):
        live.announce([f"host:{host.pk}"])
    return line


TRIALS: Final = {kinds.TEST.name: Trial(try_connection)}
