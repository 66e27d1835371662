"""Writing what a host says of its VMs: only what changed, and what happened beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from vms.inventory import identity
from vms.inventory.rows import Row
from vms.models import Document, Happening, Host, Placement, VirtualMachine


def known(host: Host, uuids: Iterable[str]) -> dict[UUID, Placement]:
    """The host's placements with these UUIDs, with VM and document but without the documents' texts."""
    rows = Placement.objects.filter(host=host, uuid__in=list(uuids)).select_related("vm", "document")
    return {row.uuid: row for row in rows.defer("document__live", "document__next_boot")}


def store(host: Host, seen: Row, placement: Placement | None, *, rebooted: bool, first: bool) -> set[str]:
    """Bring the row up to what was seen; the names of what changed. first: the host's very first listing."""
    if placement is None:
        return create(host, seen, first=first)
    names: set[str] = set()
    if placement.vm.deleted_at is not None:
        identity.renew(placement)
        Placement.objects.filter(pk=placement.pk).update(vm=placement.vm)
        names.add("vms:*")
    changed: dict[str, Any] = {k: v for k, v in seen.placement.items() if getattr(placement, k) != v}
    if not placement.present:
        changed |= {"present": True, "gone_at": None}
        happened(placement, "appeared")
        names.add("vms:*")
    elif "state" in changed:
        happened(placement, "state", state=changed["state"], was=placement.state, by="",
                 reason=seen.placement["state_reason"])  # fmt: skip
    if "state" in changed or "run_id" in changed:
        # Another run in the same state began while nobody looked.
        changed["state_since"] = Now()
    if "name" in changed:
        happened(placement, "renamed", was=placement.name)
    if rebooted:
        happened(placement, "rebooted")
    written = store_document(placement, seen)
    if changed or written:
        Placement.objects.filter(pk=placement.pk).update(**changed, read_at=Now())
    if names or changed.keys() & {"state", "name", "present"}:
        identity.settle(placement.vm)
    return names | ({f"vm:{placement.vm_id}"} if changed or written or rebooted or names else set())


def create(host: Host, seen: Row, *, first: bool) -> set[str]:
    """Store a UUID that this host has not shown before."""
    joined = identity.left_elsewhere(host, seen)
    vm = joined or VirtualMachine.objects.create(name=seen.placement["name"])
    placement = Placement.objects.create(
        vm=vm, host=host, uuid=seen.uuid, read_at=Now(), state_since=Now(), **seen.placement
    )
    Document.objects.create(placement=placement, **seen.document)
    if joined:
        identity.settle(vm)
    else:
        VirtualMachine.objects.filter(pk=vm.pk).update(placement=placement)
    if not first:
        happened(placement, "appeared")
    return {f"vm:{placement.vm_id}", "vms:*"}


def store_document(placement: Placement, seen: Row) -> bool:
    """Write the documents when one of them changed."""
    document = placement.document
    if all(getattr(document, name) == seen.document[name] for name in ("live_sha256", "next_boot_sha256", "facts")):
        return False
    Document.objects.filter(pk=document.pk).update(**seen.document)
    return True


def gone(placement: Placement) -> set[str]:
    """The host no longer shows it: the row, its VM and its page stay."""
    Placement.objects.filter(pk=placement.pk).update(
        present=False, gone_at=Now(), state="unknown", state_reason="", state_since=Now(), run_id=None, addresses=[]
    )
    happened(placement, "gone")
    identity.settle(placement.vm)
    return {f"vm:{placement.vm_id}", "vms:*"}


def happened(placement: Placement, code: str, **params: str) -> None:
    Happening.objects.create(host_id=placement.host_id, vm_id=placement.vm_id, code=code, params=params)
