"""Moving a VM to another host."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.create import Strict
from vms.api.lists import Id
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.errors import BadFields
from vms.kinds.migration import MIGRATE, Migrate
from vms.permissions import get_vm_or_404, visible_hosts
from vms.services import migration

router = Router(tags=["vms"])

Number = Annotated[int, Field(ge=0, le=2**31 - 1)]


class MigrateBody(Strict):
    """host: the id of where it goes; see /placement. mode: live; paused, it stands still meanwhile; offline, it is off.
    copy_storage: what of its disks the host does not reach is copied into the pool of that id there. postcopy: it may
    run there before all of its memory has come. bandwidth_mib: MiB/s at most, timeout_s: after so many seconds
    on_timeout comes to pass; 0 for none."""

    host: Id
    mode: Literal["live", "paused", "offline"] = "live"
    copy_storage: bool = False
    pool: Number = 0
    postcopy: bool = False
    bandwidth_mib: Number = 0
    timeout_s: Number = 0
    on_timeout: Literal["cancel", "pause", "postcopy"] = "cancel"


@router.post(
    "/{int:vm_id}/migrate",
    response=answers(202, Started, 400, 403, 404, 409),
    url_name="vm-migrate",
    summary="Move it to another host",
)
def migrate(
    request: HttpRequest, vm_id: int, body: MigrateBody, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    """Needs vm.migrate on the VM and host.use on the host. Refused with the first reason why it can't; where it comes
    to no end, it runs on where it is."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=MIGRATE.privileges[0])
    host = visible_hosts(who, "host.use").filter(pk=body.host).first()
    if host is None:
        raise BadFields({"host": "choice"})
    wish = Migrate(**body.model_dump())
    return accepted(request, response, migration.ask(who, vm, host, wish, idempotency_key=key))
