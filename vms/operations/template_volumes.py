"""The volumes of templates: read for their digest, and compared with what they were before anything is made of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from vms.errors import Aborted, InvalidState, NotFound, TemplateChanged
from vms.inventory.volumes import moment
from vms.models import Operation, StoragePool, TemplateVolume, VirtualMachine, Volume
from vms.operations.jobs import is_to_end, tell
from vms.operations.volumes import BLOCK, LOOK, pieces
from vms.operations.work import Work
from vms.services.instances import source_pool
from vms.virt import Job, VolumeFacts

if TYPE_CHECKING:
    from hashlib import _Hash

ZEROS: Final = bytes(BLOCK)


def layers(template: int, number: int, operation: Operation) -> list[TemplateVolume]:
    """The volume of the template's disk at that place, and what it lies over; NotFound where it is no more."""
    rows = TemplateVolume.objects.filter(template__vm=template, number=number).order_by("depth")
    found = list(rows.select_related("volume__storage", "template__vm__placement"))
    if not found:
        raise NotFound(operation.target_name)
    return found


def require_off(work: Work, vm: VirtualMachine) -> None:
    """Nothing, or InvalidState: somebody outside has the template running. NotFound where its host has it no more."""
    placement = vm.placement
    if placement is None or placement.host_id != work.operation.host_id:
        raise NotFound(vm.name)
    if work.connection.domain(str(placement.uuid)).state()[1] is not None:
        raise InvalidState(f"{vm.name} runs")


def pool_with(volume: Volume, operation: Operation) -> StoragePool:
    """The pool by which the operation's host has it; NotFound where it has none that is started."""
    pool = source_pool(volume, operation.host_id or 0)
    if pool is None or not pool.active:
        raise NotFound(volume.name)
    return pool


def require_unchanged(work: Work, each: TemplateVolume, pool: StoragePool) -> VolumeFacts:
    """What its host tells of it, or TemplateChanged. What is as long and was written when it was at its reading is the
    same; what was written since is read once more."""
    facts = work.connection.volume(str(pool.uuid), each.volume.name).facts()
    if facts.physical == each.size_bytes and each.changed_at and moment(facts.mtime) == each.changed_at:
        return facts
    digest, facts = read(work, each.volume)
    if digest != each.sha256:
        raise TemplateChanged(name=each.volume.name)
    work.log("template_checked", name=each.volume.name)
    remember(each, digest, facts)
    return facts


def remember(each: TemplateVolume, digest: str, facts: VolumeFacts) -> None:
    TemplateVolume.objects.filter(pk=each.pk).update(
        sha256=digest, size_bytes=facts.physical, changed_at=moment(facts.mtime)
    )


def read(work: Work, volume: Volume) -> tuple[str, VolumeFacts]:
    """The SHA-256 of all its bytes, and what its host told of it meanwhile. Raises Aborted, InvalidState where it was
    written to while it was read."""
    there = work.connection.volume(str(pool_with(volume, work.operation).uuid), volume.name)
    before = there.facts()
    digest, sparse, looked = sha256(), before.kind == "file", time.monotonic()
    way = there.download(0, before.physical, sparse=sparse)
    try:
        for _ in hashed(pieces(way, sparse=sparse), digest):
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                work.heard()
                work.may_go_on()
                if is_to_end(work.operation):
                    raise Aborted
                tell(work.operation, Job(done=before.physical - way.left, left=way.left))
        way.finish()
    finally:
        way.abort()
    after = there.facts()
    if (before.physical, before.mtime) != (after.physical, after.mtime):
        raise InvalidState(f"{volume.name} was written to")
    return digest.hexdigest(), after


def hashed(parts: Iterable[bytes | int], digest: _Hash) -> Iterator[bytes | int]:
    """The parts, each counted in; a hole is so many zeros."""
    for part in parts:
        if isinstance(part, int):
            for start in range(0, part, BLOCK):
                digest.update(ZEROS[: min(BLOCK, part - start)])
        else:
            digest.update(part)
        yield part
