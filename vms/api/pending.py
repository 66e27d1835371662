"""What of a VM's definition applies at its next start."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel

from vms.api.answers import answers
from vms.api.auth import actor
from vms.permissions import get_vm_or_404
from vms.services.freshness import placed
from vms.services.pending import waits
from vms.services.xml import document_of

router = Router(tags=["vms"])


class PartItem(BaseModel):
    """A node that differs, as "driver/@cache", with what it is now and what it will be, "" for nothing."""

    place: str
    was: str
    now: str


class PendingItem(BaseModel):
    """A change that a person asked for. place: "memory", "devices/disk"; which: of devices which one, "" where there is
    no telling. text: the same in words. was, now: its XML in this run and from the next start on, "" for nothing."""

    place: str
    which: str
    how: Literal["added", "changed", "removed"]
    text: str
    parts: list[PartItem]
    was: str
    now: str


class Pending(BaseModel):
    """changes: none while it is off. POST /vms/{id}/restart makes them apply; a reboot does not."""

    changes: list[PendingItem]


@router.get("/{int:vm_id}/pending", response=answers(200, Pending, 403, 404), summary="What waits for its next start")
def pending(request: HttpRequest, vm_id: int) -> Pending:
    vm = get_vm_or_404(actor(request), vm_id, to="vm.xml.view")
    return Pending(
        changes=[
            PendingItem(
                place=wait.change.place,
                which=wait.change.which,
                how=wait.change.how,
                text=f"{wait.noun} {wait.said}",
                parts=[PartItem(place=part.place, was=part.was, now=part.now) for part in wait.change.parts],
                was=wait.change.was,
                now=wait.change.now,
            )
            for wait in waits(placed(vm), document_of(vm))
        ]
    )
