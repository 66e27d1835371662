"""Virtual networks: made, changed, started, stopped, forgotten; fixed addresses in them; filters before cards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from vms.errors import (
    BadFields,
    FilterInUse,
    NetworkInUse,
    NetworkMismatch,
    NetworkTaken,
    NotFound,
    SubnetTaken,
    VirtError,
)
from vms.kinds import Autostart
from vms.kinds import networks as kinds
from vms.libvirtxml import (
    CHANGED,
    MODES,
    OWN,
    BadNetwork,
    BadXML,
    DomainXML,
    NetworkSpec,
    NetworkXML,
    alike,
    change_network,
    described,
    filter_name,
    filters_used,
    fix_lease,
    free_lease,
    made_network,
    overlapping,
    read_lease,
    read_network,
    with_uuid,
)
from vms.models import Operation
from vms.operations.verdicts import is_active, is_gone, is_set, is_stopped
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work
from vms.virt import Connection, Network


def spec_of(operation: Operation) -> NetworkSpec:
    """What is to be made, judged once more. Raises BadFields."""
    try:
        return read_network(kinds.Definition.from_json(operation.params).spec)
    except BadNetwork as bad:
        raise BadFields(bad.faults) from None


def refuse_overlap(connection: Connection, document: NetworkXML) -> None:
    """SubnetTaken names the other network of the host."""
    others = {
        network.name: network.document for network in connection.networks() if network.name != (document.name or "")
    }
    if other := overlapping(document, others):
        raise SubnetTaken(name=other)


def define(work: Work) -> None:
    """Make it and start it; where that fails, nothing of it stays."""
    spec, params = spec_of(work.operation), kinds.Definition.from_json(work.operation.params)
    connection, text = work.connection, made_network(spec)
    if any(network.name == spec.name for network in connection.networks()):
        raise NetworkTaken(name=spec.name)
    refuse_overlap(connection, NetworkXML.parse(text))
    with contextlib.ExitStack() as undo:
        network = connection.define_network(text)
        undo.callback(quietly, network.undefine)
        network.start()
        undo.callback(quietly, network.stop)
        if params.autostart:
            network.start_with_host(enabled=True)
        undo.pop_all()


def quietly(step: Callable[[], object]) -> None:
    """Undo what can be undone: why it was given up matters more."""
    with contextlib.suppress(VirtError):
        step()


def made_facts(connection: Connection, operation: Operation) -> Facts:
    name = spec_of(operation).name
    there = next((network for network in connection.networks() if network.name == name), None)
    return {"there": there is not None, "active": bool(there and there.active)}


def is_made(before: Facts, now: Facts) -> Verdict:
    if not now["there"]:
        return Verdict.UNDONE
    return Verdict.DONE if now["active"] and not before["there"] else Verdict.UNKNOWN


def network_of(connection: Connection, operation: Operation) -> Network:
    """The operation's network on its host."""
    if operation.network is None:
        raise NotFound(operation.target_name)
    return connection.network(str(operation.network.uuid))


def facts(connection: Connection, operation: Operation) -> Facts:
    try:
        info = network_of(connection, operation).info()
    except NotFound:
        return {"there": False, "active": False, "autostart": False}
    return {"there": True, "active": info.active, "autostart": info.autostart, **asked(operation)}


def asked(operation: Operation) -> Facts:
    """What an autostart is to be; nothing for the rest."""
    return {"wanted": operation.params["enabled"]} if operation.kind == kinds.AUTOSTART.name else {}


def document_facts(connection: Connection, operation: Operation) -> Facts:
    """What the kept definition says, and whether the wish is in it."""
    document = NetworkXML.parse(network_of(connection, operation).info().document)
    return {"spec": asdict(described(document)), "leases": [asdict(lease) for lease in document.leases],
            "params": operation.params}  # fmt: skip


def edit(work: Work) -> None:
    """Change it in place; what a running network takes only at its next start is said in the log."""
    changes = kinds.Change.from_json(work.operation.params).changes

    def change(document: NetworkXML) -> None:
        change_network(document, changed(document, changes))
        refuse_overlap(work.connection, document)

    network = network_of(work.connection, work.operation)
    network.modify(change)
    say_what_waits(work, network)


def changed(document: NetworkXML, changes: dict[str, str]) -> NetworkSpec:
    """The description of the document with the changes. Raises BadFields."""
    if wrong := {name: "unknown" for name in changes if name not in CHANGED}:
        raise BadFields(wrong)
    said = described(document)
    if said.mode not in MODES:
        raise NetworkMismatch(mode=said.mode)
    # Bridges of its own are named by libvirt: the description has a bridge only where that is the host's.
    kept = {**asdict(said), **({"bridge": ""} if said.mode in OWN else {})}
    try:
        return read_network({**kept, **changes})
    except BadNetwork as bad:
        raise BadFields(bad.faults) from None


def say_what_waits(work: Work, network: Network) -> None:
    info = network.info()
    if info.active and not alike(info.document, info.live_document):
        work.log("network_waits")


def add_lease(work: Work) -> None:
    """In the definition and in the running network."""
    params = kinds.FixedAddress.from_json(work.operation.params)

    def add(document: NetworkXML) -> None:
        try:
            fix_lease(document, read_lease(params.to_json(), document))
        except BadNetwork as bad:
            raise BadFields(bad.faults) from None

    network = network_of(work.connection, work.operation)
    network.modify(add)
    say_what_waits(work, network)


def remove_lease(work: Work) -> None:
    mac = kinds.Mac.from_json(work.operation.params).mac

    def remove(document: NetworkXML) -> None:
        if not free_lease(document, mac):
            raise NotFound(mac)

    network = network_of(work.connection, work.operation)
    network.modify(remove)
    say_what_waits(work, network)


def start(work: Work) -> None:
    network = network_of(work.connection, work.operation)
    if not network.info().active:
        network.start()


def stop(work: Work) -> None:
    network = network_of(work.connection, work.operation)
    if network.info().active:
        network.stop()


def restart(work: Work) -> None:
    """One that is not kept after it stops cannot come back."""
    network = network_of(work.connection, work.operation)
    info = network.info()
    if not info.persistent:
        raise NetworkMismatch(mode=info.mode)
    if info.active:
        network.stop()
    work.heard()
    network.start()


def autostart(work: Work) -> None:
    enabled = Autostart.from_json(work.operation.params).enabled
    network_of(work.connection, work.operation).start_with_host(enabled)


def delete(work: Work) -> None:
    """Not while the definition of a VM names it."""
    network = network_of(work.connection, work.operation)
    info = network.info()
    for domain in work.connection.domains():
        for text in filter(None, (domain.live_xml, domain.next_boot_xml)):
            if info.name in networks_of(text):
                raise NetworkInUse(name=info.name, vm=domain.name)
    if info.active:
        network.stop()
    if info.persistent:
        network.undefine()


def networks_of(text: str) -> list[str]:
    try:
        return DomainXML.parse(text).networks
    except BadXML:
        return []


def is_restarted(before: Facts, now: Facts) -> Verdict:
    """Of one that ran before and runs now nobody can tell whether it stopped in between."""
    if not now["active"]:
        return Verdict.UNDONE
    return Verdict.UNKNOWN if before["active"] else Verdict.DONE


def says_so(before: Facts, now: Facts) -> Verdict:
    """Whether the kept definition says what was asked; the running network takes it in the same call."""
    wanted = now["params"]["changes"]
    return Verdict.DONE if all(now["spec"].get(name) == value for name, value in wanted.items()) else Verdict.UNDONE


def has_lease(before: Facts, now: Facts) -> Verdict:
    wanted = kinds.FixedAddress.from_json(now["params"])
    there = [(lease["mac"], lease["duid"], lease["address"]) for lease in now["leases"]]
    return Verdict.DONE if (wanted.mac, wanted.duid, wanted.address) in there else Verdict.UNDONE


def has_no_lease(before: Facts, now: Facts) -> Verdict:
    which = kinds.Mac.from_json(now["params"]).mac
    there = any(which in (lease["mac"], lease["address"]) for lease in now["leases"])
    return Verdict.UNDONE if there else Verdict.DONE


def called(operation: Operation) -> str:
    """The name of the filter that is to be set, judged once more. Raises BadFields."""
    try:
        return filter_name(kinds.FilterDocument.from_json(operation.params).document)
    except BadXML as bad:
        raise BadFields({"document": str(bad)}) from None


def define_filter(work: Work) -> None:
    """The filter of that name, in the place of the one that the host has."""
    name, text = called(work.operation), kinds.FilterDocument.from_json(work.operation.params).document
    there = next((known.uuid for known in work.connection.filters() if known.name == name), "")
    work.connection.define_filter(with_uuid(text, there))


def filter_facts(connection: Connection, operation: Operation) -> Facts:
    known = connection.filters()
    if operation.kind == kinds.DEFINE_FILTER.name:
        name = called(operation)
        return {"document": next((each.document for each in known if each.name == name), "")}
    return {"there": any(each.uuid == operation.params["uuid"] for each in known)}


def is_defined(before: Facts, now: Facts) -> Verdict:
    """libvirt writes it in its own way: one that is as before may have been like that."""
    if not now["document"]:
        return Verdict.UNDONE
    return Verdict.DONE if now["document"] != before["document"] else Verdict.UNKNOWN


def delete_filter(work: Work) -> None:
    """Not while the definition of a VM, or another filter, names it."""
    uuid = kinds.Identity.from_json(work.operation.params).uuid
    known = work.connection.filters()
    name = next((each.name for each in known if each.uuid == uuid), "")
    for other in known:
        if other.uuid != uuid and name in filters_used(other.document):
            raise FilterInUse(name=name, user=other.name)
    for domain in work.connection.domains():
        if any(name in filters_used(text) for text in (domain.live_xml, domain.next_boot_xml) if text):
            raise FilterInUse(name=name, user=domain.name)
    work.connection.delete_filter(uuid)


def filter_gone(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["there"] else Verdict.DONE


WAYS: Final = {
    kinds.DEFINE.name: Way(define, made_facts, is_made),
    kinds.EDIT.name: Way(edit, document_facts, says_so),
    kinds.START.name: Way(start, facts, is_active),
    kinds.STOP.name: Way(stop, facts, is_stopped),
    kinds.RESTART.name: Way(restart, facts, is_restarted),
    kinds.AUTOSTART.name: Way(autostart, facts, is_set),
    kinds.DELETE.name: Way(delete, facts, is_gone),
    kinds.ADD_LEASE.name: Way(add_lease, document_facts, has_lease),
    kinds.REMOVE_LEASE.name: Way(remove_lease, document_facts, has_no_lease),
    kinds.DEFINE_FILTER.name: Way(define_filter, filter_facts, is_defined),
    kinds.DELETE_FILTER.name: Way(delete_filter, filter_facts, filter_gone),
}
