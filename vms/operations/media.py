"""Taking a CD out: of the drive of this run, and of the definition of the next start. The drive stays."""

from __future__ import annotations

from typing import Final

from vms.errors import NotFound
from vms.kinds import media as kinds
from vms.libvirtxml import DomainXML
from vms.models import Operation
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.services import installing
from vms.virt import Connection


def eject(work: Work) -> None:
    """This run first: a guest that holds the drive shut refuses, and nothing has changed then. Raises CdHeld."""
    domain, name, media = work.domain(), work.operation.params["drive"], set[str]()
    if domain.state()[1] is not None:
        drive = domain.live()[0].cd(name)
        if drive is not None and drive.source:
            media.add(drive.source)
            work.may_go_on()
            domain.eject_live(drive, allowed=work.allowed)
            work.log("cd_ejected", drive=name)

    def empty(document: DomainXML) -> None:
        drive = document.cd(name)
        if drive is None:
            raise NotFound(name)
        if drive.source:
            media.add(drive.source)
            drive.eject()

    domain.modify(empty, allowed=work.allowed)
    if work.operation.vm is not None and work.operation.vm.installs_from in media:
        installing.forget(work.operation.vm)


def facts(connection: Connection, operation: Operation) -> Facts:
    """What is in the drive, in this run and in the next."""
    vm, name = domain(connection, operation), operation.params["drive"]
    then, now = vm.next_boot().cd(name), vm.live()[0].cd(name) if vm.state()[1] is not None else None
    return {"now": now.source if now else "", "then": then.source if then else ""}


def is_empty(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["now"] or now["then"] else Verdict.DONE


WAYS: Final = {kinds.EJECT.name: Way(eject, facts, is_empty)}
