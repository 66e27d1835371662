"""Changes of a definition: applied to the document that the host has at that moment, with its secrets, in place."""

from __future__ import annotations

from typing import Final

from vms.errors import InvalidState, Unsupported
from vms.kinds import hardware as kinds
from vms.libvirtxml import (
    DomainXML,
    Listen,
    add_serial,
    add_vnc_screen,
    let_vnc_listen,
    unreachable,
    without_password,
)
from vms.models import Operation
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.services.reaching import closed_place
from vms.virt import Connection


def add_screen(work: Work) -> None:
    place = closed_place(work.operation.host)
    work.domain().modify(lambda document: add_vnc_screen(document, place), allowed=work.allowed)


def listen_locally(work: Work) -> None:
    let_listen(work, "loopback")


def listen_on_network(work: Work) -> None:
    """Only where the relay reaches a screen no other way."""
    host = work.operation.host
    if host is None or unreachable(host.transport, host.user, "loopback") == "":
        raise Unsupported("the screen is reached without the network")
    let_listen(work, "everywhere")


def let_listen(work: Work, place: Listen) -> None:
    def edit(document: DomainXML) -> None:
        if document.vnc is None:
            raise InvalidState(f"{work.operation.target_name} has no VNC screen")
        let_vnc_listen(document, place)

    work.domain().modify(edit, allowed=work.allowed)


def add_console(work: Work) -> None:
    work.domain().modify(add_serial, allowed=work.allowed)


def facts(connection: Connection, operation: Operation) -> Facts:
    """The screens and serial lines of the next start, where VNC listens, and whether just anybody may use it there."""
    document = domain(connection, operation).next_boot()
    return {
        "screens": [screen.type for screen in document.graphics],
        "listens": document.vnc.listens if document.vnc else "",
        "open": "vnc" in without_password(document),
        "serials": document.serials,
    }


def has_screen(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if "vnc" in now["screens"] else Verdict.UNDONE


def listens_locally(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["listens"] == "loopback" and not now["open"] else Verdict.UNDONE


def listens_on_network(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["listens"] == "everywhere" and not now["open"] else Verdict.UNDONE


def has_serial(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["serials"] else Verdict.UNDONE


WAYS: Final = {
    kinds.ADD_SCREEN.name: Way(add_screen, facts, has_screen),
    kinds.LISTEN_LOCALLY.name: Way(listen_locally, facts, listens_locally),
    kinds.LISTEN_ON_NETWORK.name: Way(listen_on_network, facts, listens_on_network),
    kinds.ADD_SERIAL.name: Way(add_console, facts, has_serial),
}
