"""The tags of a VM, and of several."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from vms.errors import BadFields, GivesRights, NotAllowed, RequestRefused
from vms.forms.tags import Tags, TagsChange
from vms.models import VirtualMachine
from vms.permissions import get_vm_or_404
from vms.services import tags
from vms.services.actors import session_actor
from vms.services.sentences import field_sentence, sentence
from vms.views.bulk import OtherList, chosen, kept, told
from vms.views.vms import MOST_IDS, overview_page


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


@login_required
@require_POST
def vm_bulk_tags(request: HttpRequest) -> HttpResponseBase:
    """Ask what the chosen VMs are to get and lose; sent, all of them do, or none does and the reason names the VM."""
    try:
        vms = chosen(request, MOST_IDS)
    except OtherList as changed:
        return question(request, [], TagsChange(), str(changed))
    if not vms:
        return question(request, [], TagsChange(), gettext("No VM is ticked."))
    if not request.POST.get("confirmed"):
        return question(request, vms, TagsChange())
    form = TagsChange(request.POST)
    if form.is_valid():
        try:
            tags.change(session_actor(request), vms, add=form.words("add"), remove=form.words("remove"))
        except (BadFields, GivesRights, NotAllowed) as refused:
            form.add_error("add", reason(refused))
        else:
            done = ngettext("The tags of {n} VM are changed.", "The tags of {n} VMs are changed.", len(vms))
            messages.info(request, done.format(n=len(vms)))
            return told(request, vms, [], None)
    return question(request, vms, form, status=422)


def reason(refused: RequestRefused) -> str:
    """What was refused, with the VM at which it was; none of the others was changed either."""
    words = sentence(refused.code, refused.params)
    if isinstance(refused, BadFields):
        words = field_sentence(refused.errors["tags"])
    if isinstance(refused, GivesRights) or "name" not in refused.params:
        return words
    return f"{refused.params['name']}: {words}"


def question(
    request: HttpRequest, vms: list[VirtualMachine], form: TagsChange, said: str = "", status: int = 200
) -> HttpResponse:
    """Names the VMs and the tags that they have; a page of its own, or the content of a dialog. said: why there is
    nothing to ask."""
    context = {"vms": vms, "form": form, "said": said, "present": tags.counts_on(vms), "kept": kept(request)}
    template = "vms/_tags_question.html" if "HX-Request" in request.headers else "vms/tags_question.html"
    return render(request, template, context, status=status)
