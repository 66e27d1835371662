"""Writing what a host says of its VMs: only what changed, and what happened beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from vms.inventory import identity, snapshots, volumes
from vms.inventory.rows import Row
from vms.models import Document, Happening, Host, Placement, Trashed, VirtualMachine
from vms.services import history, installing
from vms.services.pending import shown


def known(host: Host, uuids: Iterable[str]) -> dict[UUID, Placement]:
    """The host's placements with these UUIDs, with VM and document but without the documents' texts."""
    rows = Placement.objects.filter(host=host, uuid__in=list(uuids)).select_related("vm", "document")
    return {row.uuid: row for row in rows.defer("document__live", "document__next_boot")}


def is_news(seen: Row, placement: Placement, *, rebooted: bool) -> bool:
    """Whether store() would write something; asked before there is a transaction, because most readings are no news."""
    if rebooted or not placement.present or placement.vm.deleted_at is not None:
        return True
    return bool(changes(placement, seen)) or not has_document(placement, seen)


def changes(placement: Placement, seen: Row) -> dict[str, Any]:
    """The columns that are no longer as they are stored."""
    return {name: value for name, value in seen.placement.items() if getattr(placement, name) != value}


def has_document(placement: Placement, seen: Row) -> bool:
    stored = placement.document
    names = ("live_sha256", "next_boot_sha256", "facts", "sources", "kept", "pending", "settings")
    return all(getattr(stored, name) == seen.document[name] for name in names)


def store(seen: Row, placement: Placement, *, rebooted: bool) -> set[str]:
    """Bring the row up to what was seen; the names of what changed."""
    names: set[str] = set()
    if placement.vm.deleted_at is not None:
        identity.renew(placement)
        Placement.objects.filter(pk=placement.pk).update(vm=placement.vm)
        names.add("vms:*")
    changed = changes(placement, seen)
    if not placement.present:
        changed |= {"present": True, "gone_at": None}
        happened(placement, "appeared")
        names |= {"vms:*", *identity.beside(placement.host_id, [placement.uuid])}
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
    if rebooted or ("run_id" in changed and placement.run_id is not None):
        installing.restarted(placement.vm)
    began = begin(seen) if "run_id" in changed else placement.document.began
    written = store_document(placement, seen, began)
    if (waits := len(shown(seen.document["pending"], began, seen.document["settings"]))) != placement.waiting:
        changed["waiting"] = waits
    if changed or written:
        Placement.objects.filter(pk=placement.pk).update(**changed, read_at=Now())
    if changed.get("state_reason") == "migrated" and seen.placement["state"] == "shut_off":
        rejoined = identity.rejoin(placement)
        if rejoined:
            names |= rejoined | volumes.link([placement.vm_id])
    if names or changed.keys() & {"state", "name", "present"}:
        identity.settle(placement.vm)
    if written or "present" in changed:
        names |= volumes.link([placement.vm_id])
    return names | ({f"vm:{placement.vm_id}"} if changed or written or rebooted or names else set())


def create(host: Host, rows: Sequence[Row], *, first: bool) -> set[str]:
    """Store UUIDs that this host has not shown before, in as many queries for many as for one; the names of what is
    new. first: the host's very first listing, which is no news of each VM."""
    joined = identity.left_elsewhere(host, [seen.uuid for seen in rows])
    new = [seen for seen in rows if seen.uuid not in joined]
    made = VirtualMachine.objects.bulk_create(VirtualMachine(name=seen.placement["name"]) for seen in new)
    vms = {**joined, **{seen.uuid: vm for seen, vm in zip(new, made, strict=True)}}
    placements = Placement.objects.bulk_create(
        Placement(
            vm=vms[seen.uuid], host=host, uuid=seen.uuid, read_at=Now(), state_since=Now(),
            waiting=len(shown(seen.document["pending"], {}, seen.document["settings"])), **seen.placement
        )
        for seen in rows
    )  # fmt: skip
    Document.objects.bulk_create(
        Document(placement=placement, **seen.document) for placement, seen in zip(placements, rows, strict=True)
    )
    for placement in placements:
        if str(placement.uuid) not in joined:
            placement.vm.placement = placement
    snapshots.create([(placement, seen.documents.snapshots) for placement, seen in zip(placements, rows, strict=True)])
    VirtualMachine.objects.bulk_update(made, ["placement"])
    texts = {seen.uuid: (vms[seen.uuid].pk, host.pk, seen.document["next_boot"]) for seen in rows}
    history.begin([text for uuid, text in texts.items() if uuid not in joined], found=first)
    for uuid in joined:
        history.keep(*texts[uuid])
    names = {"vms:*", *(f"vm:{placement.vm_id}" for placement in placements)}
    for vm in joined.values():
        names |= identity.settle(vm)
    if not first:
        Happening.objects.bulk_create(
            Happening(host=host, vm_id=placement.vm_id, code="appeared") for placement in placements
        )
    using = [placement.vm_id for placement, seen in zip(placements, rows, strict=True) if seen.document["sources"]]
    names |= volumes.link(using)
    return names | identity.beside(host, [seen.uuid for seen in rows])


def begin(seen: Row) -> dict[str, str]:
    """What its definition says as a run begins that was seen to, {} while it is off."""
    return dict(seen.document["settings"]) if seen.placement["run_id"] is not None else {}


def store_document(placement: Placement, seen: Row, began: dict[str, str]) -> bool:
    """Write the documents when one of them changed, and what is new of the next start's into its history."""
    if has_document(placement, seen) and began == placement.document.began:
        return False
    changed = placement.document.next_boot_sha256 != seen.document["next_boot_sha256"]
    if placement.document.kept != seen.document["kept"]:
        snapshots.keep(placement, seen.documents.snapshots)
    Document.objects.filter(pk=placement.document.pk).update(**seen.document, began=began)
    if changed:
        history.keep(placement.vm_id, placement.host_id, seen.document["next_boot"])
    return True


def gone(placement: Placement) -> set[str]:
    """The host no longer shows it: the row, its VM and its page stay."""
    Placement.objects.filter(pk=placement.pk).update(
        present=False, gone_at=Now(), state="unknown", state_reason="", state_since=Now(), run_id=None, addresses=[]
    )
    if not Trashed.objects.filter(vm=placement.vm_id, purging=True).exists():
        elsewhere = placement.vm.placements.filter(present=True).exclude(pk=placement.pk)
        happened(placement, "left" if elsewhere.exists() else "gone")
    rejoined = identity.rejoin(placement)
    identity.settle(placement.vm)
    linked = volumes.link([placement.vm_id])
    return rejoined | linked | {f"vm:{placement.vm_id}", "vms:*", *identity.beside(placement.host_id, [placement.uuid])}


def happened(placement: Placement, code: str, **params: str) -> None:
    Happening.objects.create(host_id=placement.host_id, vm_id=placement.vm_id, code=code, params=params)
