"""Changes of a definition: applied to the document that the host has at that moment, with its secrets, in place."""

from __future__ import annotations

from typing import Final

from vms.kinds import hardware as kinds
from vms.libvirtxml import DomainXML, add_vnc_screen
from vms.models import Operation
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.virt import Connection


def add_screen(work: Work) -> None:
    work.domain().modify(add_vnc_screen)


def facts(connection: Connection, operation: Operation) -> Facts:
    """The screens of the next start."""
    document = DomainXML.parse(domain(connection, operation).info().next_boot_xml)
    return {"screens": [screen.type for screen in document.graphics]}


def has_screen(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if "vnc" in now["screens"] else Verdict.UNDONE


WAYS: Final = {kinds.ADD_SCREEN.name: Way(add_screen, facts, has_screen)}
