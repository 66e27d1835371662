"""Dumping a VM's memory."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.create import Id, Strict
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.kinds.dump import DUMP
from vms.permissions import get_vm_or_404
from vms.services import dump

router = Router(tags=["vms"])


class DumpBody(Strict):
    """pool: where the dump becomes a volume of yours."""

    pool: Id


@router.post(
    "/{int:vm_id}/dump", response=answers(202, Started, 400, 403, 404, 409), url_name="vm-dump",
    summary="Write all its memory into a new volume",
)  # fmt: skip
def make(
    request: HttpRequest, vm_id: int, body: DumpBody, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    """As an ELF core. The VM stands still meanwhile; a dump that is cancelled is taken away when it is through."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=DUMP.privileges[0])
    return accepted(request, response, dump.ask(who, vm, body.pool, idempotency_key=key))
