"""The tags of a VM."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from vms.errors import BadFields, GivesRights
from vms.forms.tags import Tags
from vms.permissions import get_vm_or_404
from vms.services import tags
from vms.services.actors import session_actor
from vms.services.sentences import field_sentence, sentence
from vms.views.vms import overview_page


@login_required
@require_POST
def vm_tags(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The VM has these tags and no others; back on its page, with the reason where that was refused."""
    vm = get_vm_or_404(request.user, pk, to=tags.PRIVILEGE)
    form = Tags(request.POST)
    if form.is_valid():
        try:
            tags.replace(session_actor(request), vm, form.words())
        except BadFields as bad:
            form.add_error("tags", field_sentence(bad.errors["tags"]))
        except GivesRights as refused:
            form.add_error("tags", sentence(refused.code, refused.params))
        else:
            return redirect("vm", vm.pk)
    return overview_page(request, vm, form)
