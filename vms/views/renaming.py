"""Calling a VM otherwise."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from vms.errors import BadFields, NotAllowed, NotFresh, RequestRefused
from vms.forms.renaming import Rename
from vms.kinds.renaming import RENAME
from vms.permissions import get_vm_or_404
from vms.services import renaming
from vms.services.actors import session_actor
from vms.services.sentences import field_sentence, sentence
from vms.views.vms import tab_context


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_rename(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The form; sent, back on the VM's page, with the reason where it was refused."""
    vm = get_vm_or_404(request.user, pk, to=RENAME.privileges[0])
    form = Rename(request.POST if request.method == "POST" else None, initial={"name": vm.name})
    if request.method == "POST" and form.is_valid():
        try:
            renaming.rename(session_actor(request), vm, form.cleaned_data["name"])
        except (NotAllowed, NotFresh):
            raise
        except BadFields as bad:
            form.add_error("name", " ".join(field_sentence(code) for code in bad.errors.values()))
        except RequestRefused as refused:
            form.add_error("name", sentence(refused.code, refused.params))
        else:
            return redirect("vm", vm.pk)
    return render(request, "vms/rename.html", {**tab_context(request, vm, "overview"), "form": form})
