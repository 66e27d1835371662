"""The definition of a VM as text."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Header, Router, Status
from pydantic import BaseModel

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.define import Definition
from vms.api.history import NeedItem, need_item
from vms.api.operations import IdempotencyKey, Started, accepted
from vms.errors import BadDefinition, BadParameters, NotFound
from vms.permissions import get_vm_or_404
from vms.services import xml
from vms.services.history import digest
from vms.services.xml import Which

router = Router(tags=["vms"])

MEDIA_TYPE: Final = "application/xml"
TEXT: Final[dict[str, Any]] = {MEDIA_TYPE: {"schema": {"type": "string"}}}


class ChangePreview(BaseModel):
    """What a text would make of the definition of the next start. base: the ETag of what it is compared with. diff:
    unified; differences: the places, with the privilege for each; privileges: all that are needed."""

    base: str
    diff: str
    differences: list[NeedItem]
    privileges: list[str]


@router.get(
    "/{int:vm_id}/xml",
    response=answers(200, None, 403, 404),
    summary="Its definition, without secrets",
    openapi_extra={"responses": {200: {"description": "libvirt's document", "content": TEXT}}},
)
def show(request: HttpRequest, vm_id: int, document: Which = "next") -> HttpResponse:
    """Of this run (live) or of its next start; 404 where there is none. The ETag is what If-Match of a PUT takes."""
    vm = get_vm_or_404(actor(request), vm_id, to="vm.xml.view")
    try:
        text = xml.text_of(xml.document_of(vm), document)
    except NotFound:
        raise Http404 from None
    return HttpResponse(text, content_type=f"{MEDIA_TYPE}; charset=utf-8", headers={"ETag": f'"{digest(text)}"'})


@router.put(
    "/{int:vm_id}/xml",
    response=answers(202, Started, 400, 403, 404, 409, 412, 413),
    summary="Write the definition of its next start",
    openapi_extra={"requestBody": {"required": True, "content": TEXT}},
)
def write(
    request: HttpRequest, vm_id: int, response: HttpResponse,
    match: Annotated[str | None, Header(alias="If-Match", max_length=100)] = None, document: Which = "next",
    passwords: Literal["keep", "drop"] = "keep", key: IdempotencyKey = None,
) -> Status[Started]:  # fmt: skip
    """The body is the text, 1 MiB at most. Where "(secret)" stands, the secret of today stays. passwords: of screens
    for which the text has none; drop takes them away. 412 where the definition
    is another by now, 422 without If-Match; 409 for the one of a run, which is not written."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=xml.PRIVILEGE)
    if match is None:
        raise BadParameters(field="If-Match")
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise BadDefinition([(0, "xml", "no UTF-8")]) from None
    try:
        asked = xml.edit(
            who,
            vm,
            text,
            base=match.strip('"'),
            document=document,
            open_screens=passwords == "drop",
            idempotency_key=key,
        )
    except NotFound:
        raise Http404 from None
    return accepted(request, response, asked)


@router.post(
    "/{int:vm_id}/xml/preview",
    response=answers(200, ChangePreview, 400, 403, 404, 409),
    summary="What a text would change",
)
def preview(request: HttpRequest, vm_id: int, body: Definition) -> ChangePreview:
    """By libvirt's schema and the definition that was last seen: nothing is handed to the host."""
    who = actor(request)
    vm = get_vm_or_404(who, vm_id, to=xml.PRIVILEGE)
    try:
        found = xml.preview(who, vm, body.xml)
    except NotFound:
        raise Http404 from None
    return ChangePreview(
        base=found.base,
        diff=xml.as_text(found.lines),
        differences=[need_item(need) for need in found.needs],
        privileges=list(found.privileges),
    )
