"""The definition of a VM's next start as text that is written."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from vms.errors import BadDefinition, DefinitionChanged, NotAllowed, NotFound, NotFresh, RequestRefused
from vms.models import VirtualMachine
from vms.permissions import Actor, get_vm_or_404
from vms.services import define, xml
from vms.services.actors import session_actor
from vms.services.history import digest
from vms.services.sentences import sentence
from vms.views.vms import tab_context


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_xml_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The text; sent, what it changes, or what is wrong with it and where; sent from there, it is written, while the
    definition is the one that was shown."""
    actor = session_actor(request)
    vm = get_vm_or_404(actor, pk, to=xml.PRIVILEGE)
    try:
        current = xml.text_of(xml.document_of(vm), "next")
    except NotFound:
        raise Http404 from None
    context: dict[str, Any] = {"current": current, "base": digest(current), "typed": current}
    if request.method != "POST":
        return answer(request, vm, context)
    typed, base = typed_in(request)
    if "go_on" in request.POST:
        # He has seen how his text differs from what is there now.
        base = request.POST.get("new_base", "")
    said, example = "", request.POST.get("example", "")
    if "add_example" in request.POST:
        typed, said = xml.with_example(typed, example)
    open_screens = "open_screens" in request.POST
    context |= {"typed": typed, "base": base, "open_screens": open_screens, "said": said, "example": example}
    context |= judged(actor, vm, typed, base)
    if "save" in request.POST and not context["faults"] and "changed" not in context:
        try:
            xml.edit(actor, vm, typed, base=base, open_screens=open_screens)
            return redirect("vm-xml", vm.pk)
        except (NotAllowed, NotFresh):
            raise
        except RequestRefused as refused:
            context["faults"] = [{"line": 0, "said": sentence(refused.code, refused.params)}]
    return answer(request, vm, context, 409 if "changed" in context else 400 if context["faults"] else 200)


@login_required
@require_POST
def vm_xml_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What the text changes, while it is typed."""
    actor = session_actor(request)
    vm = get_vm_or_404(actor, pk, to=xml.PRIVILEGE)
    typed, base = typed_in(request)
    return render(
        request,
        "vms/_xml_get.html",
        {
            "vm": vm,
            "base": base,
            "open_screens": "open_screens" in request.POST,
            **judged(actor, vm, typed, base),
        },
    )


def typed_in(request: HttpRequest) -> tuple[str, str]:
    return request.POST.get("xml", "").replace("\r\n", "\n"), request.POST.get("base", "")


def judged(actor: Actor, vm: VirtualMachine, typed: str, base: str) -> dict[str, Any]:
    """What a page says of the text. changed: the definition is another by now, and how that differs from the text."""
    try:
        preview = xml.preview(actor, vm, typed)
    except (NotAllowed, NotFresh):
        raise
    except BadDefinition as bad:
        return {"faults": [{"line": fault[0], "said": define.words(fault)} for fault in bad.faults]}
    except NotFound:
        return {"faults": [{"line": 0, "said": sentence("definition_changed", {"name": vm.name})}]}
    found: dict[str, Any] = {"faults": [], "preview": preview}
    if preview.base != base:
        found |= {"changed": sentence(DefinitionChanged.code, {"name": vm.name}), "new_base": preview.base}
    return found


def answer(request: HttpRequest, vm: VirtualMachine, context: dict[str, Any], status: int = 200) -> HttpResponse:
    examples = [(name, gettext(word)) for name, word in xml.EXAMPLES.items()]
    shown = {**tab_context(request, vm, "xml"), "examples": examples, **context}
    return render(request, "vms/xml_edit.html", shown, status=status)
