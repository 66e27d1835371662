"""The definitions that a VM had: who wrote which, and what stays of them.

A version is what the definition for the next start said, masked, from when it was first seen. Who wrote it is the
operation whose work left exactly this; else it was done outside. What differs in nothing is no version: libvirt writes
the same in another order once it has started a VM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext

from vms.libvirtxml import BadXML, difference
from vms.models import Operation, Version, VirtualMachine
from vms.permissions import Who, visible_operations
from vms.services.sentences import kind_title

# Of one VM so many are kept, in so many characters; the oldest go.
MOST: Final = 200
MOST_CHARACTERS: Final = 4 << 20
# A watcher that is there has read by then what an operation left.
COMES: Final = timedelta(seconds=10)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def same(before: str, after: str) -> bool:
    """Whether two definitions differ in nothing."""
    try:
        return before == after or not difference(before, after)
    except BadXML:
        return False


def keep(
    vm: int, host: int | None, text: str, operation: Operation | None = None, *, found: bool = False
) -> Version | None:  # fmt: skip
    """The version that the text is, made where it is new; None where there is no text. operation: what left it so."""
    if not text:
        return None
    try:
        with transaction.atomic():
            return kept(vm, host, text, operation, found=found)
    except IntegrityError:
        # The watcher and a worker saw it in the same moment.
        with transaction.atomic():
            return kept(vm, host, text, operation, found=found)


def is_coming(vm: VirtualMachine, seen: str) -> bool:
    """Whether an operation has just left another definition than the one that was last read, whose digest is seen: the
    watcher is about to read that too."""
    latest = Version.objects.filter(vm=vm).order_by("-number").values_list("sha256", "operation", "at").first()
    return bool(latest and latest[1] and latest[0] != seen and timezone.now() - latest[2] < COMES)


def begin(texts: Iterable[tuple[int, int, str]], *, found: bool) -> None:
    """The first versions of VMs that are new, as (VM, host, text); in one query. found: they were there before."""
    Version.objects.bulk_create(
        Version(vm_id=vm, host_id=host, number=1, sha256=digest(text), xml=text, found=found)
        for vm, host, text in texts
        if text
    )


def kept(vm: int, host: int | None, text: str, operation: Operation | None, *, found: bool) -> Version:
    latest = Version.objects.filter(vm=vm).order_by("-number").first()
    sha = digest(text)
    if latest is not None and (latest.sha256 == sha or same(latest.xml, text)):
        if latest.sha256 != sha:
            Version.objects.filter(pk=latest.pk).update(sha256=sha, xml=text)
        if operation is not None and latest.operation_id is None and wrote(operation, latest):
            claim(latest, operation)
        return latest
    version = Version.objects.create(
        vm_id=vm, host_id=host, number=latest.number + 1 if latest else 1, sha256=sha, xml=text, found=found,
        operation=operation, kind=operation.kind if operation else "",
        actor_name=operation.actor_name if operation else "",
    )  # fmt: skip
    prune(vm)
    return version


def wrote(operation: Operation, version: Version) -> bool:
    """Whether it can be this operation's: seen since it began."""
    return operation.started_at is not None and version.at >= operation.started_at


def claim(version: Version, operation: Operation) -> None:
    """The watcher was faster than the worker."""
    Version.objects.filter(pk=version.pk, operation=None).update(
        operation=operation, kind=operation.kind, actor_name=operation.actor_name, found=False
    )


def prune(vm: int) -> None:
    """Let the oldest go that are too many, or too long together; never the latest."""
    room, going = MOST_CHARACTERS, []
    kept = Version.objects.filter(vm=vm).order_by("-number").annotate(size=Length("xml"))
    for place, (pk, size) in enumerate(kept.values_list("pk", "size")):
        room -= size
        if place and (place >= MOST or room < 0):
            going.append(pk)
    Version.objects.filter(pk__in=going).delete()


def versions(vm: VirtualMachine) -> QuerySet[Version]:
    """Those of the VM, the latest first."""
    return Version.objects.filter(vm=vm).order_by("-number")


def made_outside() -> QuerySet[Version]:
    """Those that nothing here has made, newest first; what made the last one may still be about to say so."""
    outside = Version.objects.filter(found=False, number__gt=1, kind="", operation=None)
    return outside.filter(at__lt=timezone.now() - COMES).order_by("-at").defer("xml")


def version_or_none(vm: VirtualMachine, number: int) -> Version | None:
    return Version.objects.filter(vm=vm, number=number).first()


def before(version: Version) -> Version | None:
    """The one before it that is kept."""
    return Version.objects.filter(vm=version.vm_id, number__lt=version.number).order_by("-number").first()


def gone() -> QuerySet[VirtualMachine]:
    """The VMs that were deleted and whose definitions are kept, the latest first."""
    kept = Exists(Version.objects.filter(vm=OuterRef("pk")))
    return (
        VirtualMachine.objects.filter(kept, deleted_at__isnull=False)
        .select_related("placement__host")
        .order_by("-deleted_at", "-pk")
    )


@dataclass(frozen=True)
class Line:
    """A version as it is listed. through: what wrote it, in words; operation: the one that did, for who may see it."""

    version: Version
    through: str
    operation: int | None
    actor: str


def make_lines(who: Who, versions: Sequence[Version]) -> list[Line]:
    asked = [version.operation_id for version in versions if version.operation_id]
    seen = set(visible_operations(who).filter(pk__in=asked).values_list("pk", flat=True))
    return [
        Line(version, through(version), version.operation_id if version.operation_id in seen else None,
             version.actor_name)
        for version in versions
    ]  # fmt: skip


def through(version: Version) -> str:
    """What wrote it: an operation of this dashboard, somebody outside, or nobody knows what."""
    if version.kind:
        return kind_title(version.kind)
    return gettext("there when the dashboard first saw it") if version.found else gettext("outside the dashboard")
