"""Templates: the list, the page of one, and the question before a VM becomes one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.errors import NoTemplate
from vms.kinds.templates import TEMPLATE, UNTEMPLATE
from vms.permissions import get_template_or_404, get_vm_or_404, held, require_all, usable_templates
from vms.services import templates
from vms.services.actors import session_actor
from vms.services.attention import open_operations
from vms.services.sentences import sentence
from vms.services.template_lines import make_lines, unprotected
from vms.views.going import ask, go
from vms.views.vms import PAGE, tab_context


@login_required
@require_safe
def template_list(request: HttpRequest) -> HttpResponse:
    """Those that one may see, and the VMs that are on the way to be one."""
    paginator = Paginator(templates.listed(request.user), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    vms = list(page.object_list)
    context = {
        "lines": make_lines(vms, request.user),
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "working": open_operations(request.user).filter(kind__in=(TEMPLATE.name, UNTEMPLATE.name))[:PAGE],
        "query": "?",
    }
    return render(request, "templates/list.html", context)


@login_required
@require_safe
def template(request: HttpRequest, pk: int) -> HttpResponse:
    """What it is, what needs it, and what one may do with it."""
    vm = get_template_or_404(request.user, pk)
    rights = held(request.user, vm)
    [line] = make_lines([vm], request.user)
    context = {
        "line": line,
        "unprotected": unprotected(line),
        "usable": usable_templates(request.user).filter(pk=pk).exists(),
        "may_view": "vm.view" in rights,
        "may_offer": templates.PUBLISH in rights,
        "may_change": rights >= set(UNTEMPLATE.privileges),
        "may_delete": "vm.delete" in rights,
        "may_access": "vm.access" in rights,
        "working": open_operations(request.user).filter(vm=vm).first(),
    }
    return render(request, "templates/template.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def vm_template(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The question; answered, the operation that makes the VM a template."""
    vm = get_vm_or_404(request.user, pk)
    require_all(session_actor(request), TEMPLATE.privileges, vm)
    if request.method == "POST" and request.POST.get("confirmed"):
        return ask(request, lambda: templates.make(session_actor(request), vm), "vm", vm.pk)
    if "HX-Request" in request.headers:
        return go(request, "vm-template", vm.pk)
    why, volumes = "", []
    try:
        volumes = templates.require_fit(request.user, vm)
    except NoTemplate as refused:
        why = sentence(refused.code, refused.params)
    context = {**tab_context(request, vm, "overview"), "volumes": volumes, "why": why}
    return render(request, "templates/question.html", context)


@login_required
@require_POST
def template_vm(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for it to be made a VM again."""
    vm = get_template_or_404(request.user, pk, to=UNTEMPLATE.privileges[0])
    return ask(request, lambda: templates.make_vm(session_actor(request), vm), "template", vm.pk)


@login_required
@require_POST
def template_offer(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Offer it to others, or take the offer back."""
    vm = get_template_or_404(request.user, pk, to=templates.PUBLISH)
    offered = request.POST.get("offered") == "yes"
    templates.publish(session_actor(request), vm, offered=offered)
    if offered:
        text = gettext("Who may use templates here can make VMs of {name} now.")
        messages.info(request, text.format(name=vm.name))
    return go(request, "template", vm.pk)
