"""What an administrator changes of a host's row: adding, editing, its keys, leaving it alone, removing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from vms.errors import BadFields, RequestRefused
from vms.forms.hosts import make_form, sent
from vms.kinds import KINDS
from vms.models import Host
from vms.permissions import Actor, get_host_or_404, require, visible_hosts
from vms.services import host_changes, operations
from vms.services.actors import session_actor
from vms.services.lists import find_vms
from vms.services.overview import RUNS
from vms.services.sentences import sentence
from vms.views.going import go

ADMIN = "host.admin"


@sensitive_post_parameters("private_key", "certificate", "ca_certificate")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_add(request: HttpRequest) -> HttpResponseBase:
    """The form; sent, the new host's page, which over ssh goes on with three steps."""
    require(session_actor(request), ADMIN)
    if request.method != "POST":
        return form_page(request, None)
    actor, given = session_actor(request), sent(request)
    named = named_by_itself(given)
    try:
        added = host_changes.add(actor, named)
    except BadFields as bad:
        # What is wrong with an address that serves as the name is said at the address.
        taken = bad.errors.get("name") == "taken"
        errors = {name: code for name, code in bad.errors.items() if name != "name" or named is given or taken}
        return form_page(request, None, given, errors)
    if added.transport == Host.Transport.SSH:
        ask_for_key(request, actor, added)
    return redirect("host", added.pk)


def named_by_itself(given: dict[str, Any]) -> dict[str, Any]:
    """A host without a name is called as its machine."""
    here = settings.ENVIRONMENT.node if given["transport"] == Host.Transport.LOCAL else ""
    name = given.get("address") or here
    return given if given["name"].strip() or not name else {**given, "name": name}


def ask_for_key(request: HttpRequest, actor: Actor, added: Host) -> None:
    """The first test brings the machine's key, so that there is something to compare."""
    try:
        operations.request(KINDS["host.test"], added, actor=actor)
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))


@sensitive_post_parameters("private_key", "certificate", "ca_certificate")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The same form with what is; sent, back to the host."""
    found = get_host_or_404(session_actor(request), pk, to=ADMIN)
    if request.method != "POST":
        return form_page(request, found)
    given = sent(request, found)
    try:
        host_changes.edit(session_actor(request), found, given)
    except BadFields as bad:
        return form_page(request, found, given, bad.errors)
    return redirect("host", found.pk)


def form_page(
    request: HttpRequest, found: Host | None, given: dict[str, Any] | None = None, errors: dict[str, str] | None = None
) -> HttpResponse:
    local = visible_hosts(request.user).filter(transport=Host.Transport.LOCAL, node=settings.ENVIRONMENT.node)
    form = make_form(given, errors, found, here=not local.exists())
    return render(request, "hosts/form.html", {"host": found, "form": form})


@login_required
@require_POST
def host_accept_key(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Trust the machine that shows the key of this fingerprint."""
    fingerprint = request.POST.get("fingerprint", "")
    return change(request, pk, lambda actor, found: host_changes.accept_key(actor, found, fingerprint))


@login_required
@require_POST
def host_refuse_key(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It is not the machine's key: forget it."""
    return change(request, pk, host_changes.refuse_key)


@login_required
@require_POST
def host_accept_machine(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It is the same host, although its UUID is another."""
    uuid = request.POST.get("uuid", "")
    return change(request, pk, lambda actor, found: host_changes.accept_machine(actor, found, uuid))


@login_required
@require_POST
def host_leave_alone(request: HttpRequest, pk: int) -> HttpResponseBase:
    """No connection any more, until it is taken up again."""
    return change(request, pk, host_changes.leave_alone)


@login_required
@require_POST
def host_take_up(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Connect to it again."""
    return change(request, pk, host_changes.take_up)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_new_key(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A new pair for ssh; asked before."""
    found = get_host_or_404(session_actor(request), pk, to=ADMIN)
    if found.transport != Host.Transport.SSH:
        raise Http404
    if request.method != "POST":
        return question(request, found, "new-key")
    return change(request, pk, host_changes.make_key)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Out of the dashboard, its VMs run on; asked before."""
    found = get_host_or_404(session_actor(request), pk, to=ADMIN)
    if request.method != "POST":
        return question(request, found, "remove")
    try:
        host_changes.remove(session_actor(request), found)
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
        return go(request, "host", found.pk)
    messages.info(request, gettext("{host} is no longer in the dashboard. Its VMs run on.").format(host=found.name))
    return go(request, "host-list")


def change(request: HttpRequest, pk: int, do: Callable[[Actor, Host], object]) -> HttpResponseBase:
    """Do it and go back to the host, with the reason where it was refused."""
    found = get_host_or_404(session_actor(request), pk, to=ADMIN)
    try:
        do(session_actor(request), found)
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
    return go(request, "host", found.pk)


def question(request: HttpRequest, found: Host, verb: str) -> HttpResponse:
    """Says what happens; a page of its own, or the content of a dialog."""
    vms = find_vms(request.user, host=found.pk).filter(placement__present=True)
    context = {
        "host": found,
        "verb": verb,
        "total": vms.count(),
        "running": vms.filter(placement__state__in=RUNS).count(),
    }
    template = "hosts/_question.html" if "HX-Request" in request.headers else "hosts/question.html"
    return render(request, template, context)
