"""Putting another definition in the place of a VM's own. Its secrets are read on the host in that moment, and come back
to the places where they were."""

from __future__ import annotations

from typing import Final

from vms.errors import BadDocument, DefinitionChanged, NotFound, SecretGone
from vms.kinds import xml as kinds
from vms.libvirtxml import BadXML, DomainXML, grafted, mask
from vms.models import Operation, Version
from vms.operations.volumes import actor_of
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.permissions import held
from vms.services.history import digest
from vms.services.xml import called_as_now
from vms.virt import Connection


def edit(work: Work) -> None:
    keeps = not work.operation.params.get("open_screens")
    put(work, work.secrets["definition"], work.allowed, passwords=keeps)


def give_back(work: Work) -> None:
    """With the rights that its actor has now, of those that were asked for."""
    operation = work.operation
    version = Version.objects.filter(vm=operation.vm, number=operation.params["number"]).first()
    if version is None:
        raise NotFound(operation.target_name)
    holds = held(actor_of(operation), operation.vm)
    text = called_as_now(version.xml, work.domain().info().next_boot_xml)
    put(work, text, holds.intersection(operation.params["needs"]))


def put(work: Work, text: str, allowed: frozenset[str], *, passwords: bool = True) -> None:
    """Raises DefinitionChanged where the host has another by now than the one that was edited, SecretGone where a
    secret is to be kept that is nowhere."""
    operation, vm = work.operation, work.domain()
    if public_digest(vm.info().next_boot_xml) != operation.params["base"]:
        raise DefinitionChanged(name=operation.target_name)
    work.may_go_on()

    def change(document: DomainXML) -> None:
        made, lost = grafted(document.text, text, passwords=passwords)
        if lost:
            raise SecretGone(name=operation.target_name, place=lost[0].place)
        new = DomainXML.parse(made)
        if (new.uuid, new.name) != (document.uuid, document.name):
            raise BadDocument("its UUID and name stay")
        document.element = new.element

    vm.modify(change, allowed=allowed)
    if public_digest(vm.info().next_boot_xml) == operation.before.get("digest"):
        # The host took it and made of it what was there: seen here, or the evidence would say that nothing was done.
        operation.before["alike"] = True
        work.log("definition_alike")


def public_digest(text: str) -> str:
    """Of the form that pages show."""
    try:
        return digest(mask(text))
    except BadXML as error:
        raise BadDocument(str(error)) from None


def facts(connection: Connection, operation: Operation) -> Facts:
    return {"digest": public_digest(domain(connection, operation).info().next_boot_xml)}


def is_another(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if before.get("alike") or now["digest"] != before["digest"] else Verdict.UNDONE


WAYS: Final = {
    kinds.EDIT.name: Way(edit, facts, is_another),
    kinds.RETURN.name: Way(give_back, facts, is_another),
}
