"""What cloud-init is told on a VM's disc: what may be shown of it, and other answers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import BaseModel

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.create import CloudInitBody, seed
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.kinds.seeds import WRITE_SEED
from vms.models import Seed
from vms.permissions import get_vm_or_404
from vms.services import seed_discs
from vms.services.seeds import SeedWish

router = Router(tags=["vms"])


class CloudInitItem(BaseModel):
    """What the VM was told; of what is secret only whether it was. disc: none, it was told nothing; in, it is in a
    drive; gone, it was taken away after the first boot. keys, commands: how many. keep: the disc stays in."""

    disc: Literal["none", "in", "gone"]
    written_at: datetime | None = None
    keep: bool = False
    user: str = ""
    keys: int = 0
    password: bool = False
    hostname: str = ""
    packages: list[str] = []
    commands: int = 0
    address: str = ""
    gateway: str = ""
    resolvers: list[str] = []
    search: list[str] = []
    user_data: bool = False
    network_config: bool = False


def item(found: Seed | None) -> CloudInitItem:
    if found is None:
        return CloudInitItem(disc="none")
    disc: Literal["in", "gone"] = "in" if found.volume_id else "gone"
    return CloudInitItem(**{**found.told, "disc": disc, "written_at": found.made_at, "keep": found.keep})


@router.get(
    "/{int:vm_id}/cloud-init", response=answers(200, CloudInitItem, 403, 404), summary="What cloud-init is told"
)
def show(request: HttpRequest, vm_id: int) -> CloudInitItem:
    vm = get_vm_or_404(actor(request), vm_id, to=WRITE_SEED.privileges[0])
    return item(seed_discs.seed_of(vm))


@router.put(
    "/{int:vm_id}/cloud-init", response=answers(202, Started, 400, 403, 404, 409), summary="Tell cloud-init otherwise"
)
def write(
    request: HttpRequest, vm_id: int, body: CloudInitBody, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    """While it is off: a new disc in place of the one that is there, with this and no more; what was told before is
    kept nowhere. To cloud-init it is a new instance: at the next start it does all of it again, though most guests read
    such a disc once and a guest without cloud-init never."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=WRITE_SEED.privileges[0])
    wish = seed(body, who) or SeedWish()
    return accepted(request, response, seed_discs.write(who, vm, wish, idempotency_key=key))
