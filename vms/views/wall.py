"""What the wall asks for while somebody looks at it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from vms.services import wall
from vms.views.vms import asked_ids


@login_required
@require_safe
def vm_screens(request: HttpRequest) -> JsonResponse:
    """{vm id: [version of its picture, why there is none]} of those ids whose screen the user may see and which show
    one. The pictures themselves are the API's."""
    ids = asked_ids(request)
    if len(ids) > wall.MOST:
        raise Http404
    return JsonResponse({str(vm): list(told) for vm, told in wall.told(request.user, ids).items()})
