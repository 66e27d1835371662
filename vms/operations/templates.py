"""Making a VM a template, and a VM again.

Its volumes are marked first, so that nobody gets them from here; then its host lets it read them only, so that nobody
who starts it outside changes them; then they are read. Until all that is done it is no template to anybody, and a
worker that dies leaves the mark, by which another takes all of it back (docs/decisions/0080).
"""

from __future__ import annotations

import contextlib
from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from vms import live
from vms.errors import Aborted, HostUnreachable, InvalidState, NoTemplate, NotFound, TimedOut, VmsError
from vms.kinds import templates as kinds
from vms.libvirtxml import BadXML, DomainXML, Given, set_read_only, traits
from vms.models import Operation, StoragePool, Template, TemplateVolume, VirtualMachine, Volume
from vms.operations.jobs import is_to_end
from vms.operations.template_volumes import read, remember
from vms.operations.trash import log, named_by_others, tell, vm_of
from vms.operations.volumes import actor_of, places
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, allowed, domain
from vms.services import templates
from vms.services.belongings import named
from vms.services.snapshot_rules import stand_in_the_way
from vms.virt import Connection, DomainInfo


def facts(connection: Connection, operation: Operation) -> Facts:
    """Whether the host has it, and how; whether it is a template, and a whole one."""
    template = Template.objects.filter(vm=operation.target_id).first()
    told = {"template": template is not None, "ready": bool(template and template.ready)}
    try:
        info = domain(connection, operation).info()
    except NotFound:
        return {**told, "state": "gone", "autostart": False}
    return {**told, "state": info.state, "autostart": info.autostart}


def make(work: Work) -> None:
    operation = work.operation
    compare(work, work.domain().info())
    log(operation, kinds.COMPARED)
    work.may_go_on()
    template = mark(operation)
    try:
        log(operation, kinds.MARKED)
        protect(work.connection, operation)
        log(operation, kinds.READ_ONLY)
        for each in template.volumes.select_related("volume__storage").order_by("number", "depth"):
            if is_to_end(operation):
                raise Aborted
            digest, told = read(work, each.volume)
            remember(each, digest, told)
            log(operation, kinds.READ, name=each.volume.name, sha256=digest)
        work.may_go_on()
    except (HostUnreachable, TimedOut):
        # What became of it is asked of the host by whoever ends the operation (mend).
        raise
    except BaseException:
        take_back(work.connection, operation)
        raise
    with transaction.atomic():
        Template.objects.filter(pk=template.pk).update(ready=True)
        tell(operation)


def compare(work: Work, info: DomainInfo) -> None:
    """Nothing, or NoTemplate, InvalidState: by its host's word it is off, and its disks are on the volumes that were
    told, on which nothing else is."""
    operation = work.operation
    why = ""
    if info.state != "shut_off" or not info.persistent:
        raise InvalidState(f"{info.name} is {info.state}")
    if info.has_managed_save:
        why = "saved"
    elif stand_in_the_way(info.snapshots, info.checkpoints):
        why = "snapshots"
    rows = volumes_of(operation)
    try:
        told = [source for source, _ in traits(DomainXML.parse(info.next_boot_xml)).disks]
    except BadXML:
        told = []
    pools = list(StoragePool.objects.filter(host=operation.host_id, present=True))
    same = len(told) == len(rows) and all(
        source and named(row, pools, {(source[0], source[1])}) for row, source in zip(rows, told, strict=True)
    )
    if not why and not same:
        why = "disks"
    if not why and named_by_others(work.connection, operation, rows):
        why = "shared"
    if why:
        if operation.host_id:
            live.look(operation.host_id, f"vm:{operation.target_id}")
        raise NoTemplate(name=operation.target_name, reason=why)
    vm = vm_of(operation)
    for row in rows:
        templates.require_copied(actor_of(operation), vm, row)


def volumes_of(operation: Operation) -> list[Volume]:
    """Those that were told, in their order."""
    rows = Volume.objects.select_related("storage").in_bulk(operation.params["volumes"])
    return [rows[pk] for pk in operation.params["volumes"] if pk in rows]


@transaction.atomic
def mark(operation: Operation) -> Template:
    """From now on it is no VM that runs, and nobody here writes to its disks."""
    VirtualMachine.objects.filter(pk=operation.target_id).update(templated_at=Now())
    made = Template.objects.create(
        vm_id=operation.target_id, by=operation.actor_user, by_name=operation.actor_name,
        autostart=operation.before["autostart"],
    )  # fmt: skip
    # Of one that its host has forgotten; these are this VM's alone by now.
    TemplateVolume.objects.filter(volume__in=operation.params["volumes"], depth=0).delete()
    TemplateVolume.objects.bulk_create(
        TemplateVolume(template=made, volume=layer, number=number, depth=depth)
        for number, volume in enumerate(volumes_of(operation))
        for depth, layer in enumerate(templates.chain(volume))
    )
    tell(operation)
    return made


def protect(connection: Connection, operation: Operation) -> None:
    """Its host starts it no more by itself, and if somebody else does, it reads its disks only. Raises InvalidState
    where somebody has just started it."""
    there = domain(connection, operation)
    if there.starts_with_host():
        there.start_with_host(False)
    let_write(connection, operation, wanted=False)
    if there.state()[1] is not None:
        raise InvalidState(f"{operation.target_name} runs")


def let_write(connection: Connection, operation: Operation, *, wanted: bool) -> None:
    """Whether it may write to its disks when it starts next."""
    rows = TemplateVolume.objects.filter(template__vm=operation.target_id, depth=0).select_related("volume")
    if operation.host is None:
        raise NotFound(operation.target_name)
    where = frozenset(place for row in rows for place in places(row.volume, operation.host))
    domain(connection, operation).modify(
        lambda document: set_read_only(document, where, wanted=not wanted),
        allowed=allowed(operation),
        given=Given(read_only=where),
    )


def take_back(connection: Connection, operation: Operation) -> None:
    """It is a VM as it was."""
    template = Template.objects.filter(vm=operation.target_id).first()
    if template is None:
        return
    with contextlib.suppress(NotFound):
        let_write(connection, operation, wanted=True)
        if template.autostart:
            domain(connection, operation).start_with_host(True)
    with transaction.atomic():
        template.delete()
        VirtualMachine.objects.filter(pk=operation.target_id).update(templated_at=None)
        tell(operation)
    log(operation, "template_back")


def mend(connection: Connection, operation: Operation) -> None:
    """What was not read to its end is taken back."""
    if Template.objects.filter(vm=operation.target_id, ready=False).exists():
        take_back(connection, operation)


def is_template(before: Facts, now: Facts) -> Verdict:
    return Verdict.DONE if now["ready"] else Verdict.UNDONE


def make_vm(work: Work) -> None:
    """No instance is begun from here on; then it is asked once more whether there is one."""
    operation = work.operation
    Template.objects.filter(vm=operation.target_id).update(ready=False)
    try:
        templates.require_unused(actor_of(operation), vm_of(operation))
        work.may_go_on()
        take_back(work.connection, operation)
    except (HostUnreachable, TimedOut):
        raise
    except VmsError:
        mend_template(work.connection, operation)
        raise


def mend_template(connection: Connection, operation: Operation) -> None:
    """What is a template still is a whole one."""
    if not Template.objects.filter(vm=operation.target_id).exists():
        return
    with contextlib.suppress(NotFound, InvalidState):
        protect(connection, operation)
    Template.objects.filter(vm=operation.target_id).update(ready=True)


def is_vm(before: Facts, now: Facts) -> Verdict:
    return Verdict.UNDONE if now["template"] else Verdict.DONE


WAYS: Final = {
    kinds.TEMPLATE.name: Way(make, facts, is_template, mend=mend),
    kinds.UNTEMPLATE.name: Way(make_vm, facts, is_vm, mend=mend_template),
}
