"""A VM's screen as a picture."""

from __future__ import annotations

from typing import Any, Final, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router

from vms.api.answers import answers
from vms.api.auth import actor
from vms.permissions import get_vm_or_404
from vms.services import wall

router = Router(tags=["vms"])

PICTURE: Final[dict[str, Any]] = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
# A second, in which it is mostly taken.
SOON: Final = "1"


@router.get(
    "/{int:vm_id}/screenshot",
    response=answers(200, None, 403, 404, 409),
    summary="Its screen",
    url_name="vm-screenshot",
    openapi_extra={
        "responses": {
            200: {"description": "A PNG of at most 720 x 480 points", "content": PICTURE},
            202: {"description": "It is being taken; ask again after Retry-After seconds"},
        }
    },
)
def screenshot(request: HttpRequest, vm_id: int, of: Literal["now", "crash"] = "now") -> HttpResponse:
    """Not older than half a minute, and taken once in two seconds at most, however many ask. of=crash: what stood there
    before the VM crashed the last time."""
    vm = get_vm_or_404(actor(request), vm_id, to=wall.PRIVILEGE)
    found = wall.last_picture(vm) if of == "crash" else wall.picture(vm)
    if found is None:
        return HttpResponse(status=202, headers={"Retry-After": SOON})
    return HttpResponse(found, content_type="image/png")
