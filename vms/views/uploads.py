"""Uploading a file into a pool."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from vms.kinds.uploads import FORMATS, UPLOAD
from vms.permissions import get_pool_or_404, require_all


@login_required
@require_safe
def pool_upload(request: HttpRequest, pk: int) -> HttpResponse:
    """The form, which a script sends: the file goes straight to the transfer process."""
    pool = get_pool_or_404(request.user, pk)
    require_all(request.user, UPLOAD.privileges, pool)
    return render(request, "pools/upload.html", {"pool": pool, "formats": FORMATS})
