"""Virtual networks: the list over all hosts, each one's page, adding and changing one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.errors import BadFields, NotAllowed, NotFresh, RequestRefused
from vms.forms.networks import ASKED, labels, make_form, mode_for, modes, reaches, sent, suggestion
from vms.kinds import KINDS, Autostart
from vms.libvirtxml import CHANGED, CLEAN_TRAFFIC, OWN
from vms.models import Network, NetworkFilter
from vms.permissions import get_network_or_404, may, require, require_all, visible_hosts, visible_networks
from vms.services import networks, operations
from vms.services.actors import session_actor
from vms.services.attention import may_read, open_operations, unread_failures
from vms.services.freshness import freshness
from vms.services.lists import LONGEST_QUERY
from vms.services.sentences import field_sentence, sentence
from vms.services.stream import stream
from vms.views.going import ask, go
from vms.views.pools import chosen_host
from vms.views.vms import PAGE


@login_required
@require_safe
def network_list(request: HttpRequest) -> HttpResponseBase:
    """A page of those of all hosts; ?q= searches, ?host= is one host's."""
    q, host = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY], chosen_host(request)
    found = networks.find_networks(visible_networks(request.user), q=q, host=host.pk if host else None)
    paginator = Paginator(found, PAGE)
    page = paginator.get_page(request.GET.get("page"))
    wish = {**({"q": q} if q else {}), **({"host": host.pk} if host else {})}
    context = {
        "lines": networks.make_lines(page.object_list),
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "query": f"?{urlencode(wish)}",
        "q": q,
        "of": host,
        "may_admin": may(request.user, networks.PRIVILEGE),
    }
    return render(request, "networks/list.html", context)


@login_required
@require_safe
def network(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What VMs there reach, who is in it, its addresses, and what was done with it."""
    return show(request, get_network_or_404(request.user, pk))


def show(
    request: HttpRequest, found: Network, errors: dict[str, str] | None = None, typed: dict[str, str] | None = None
) -> HttpResponse:
    """The page, with what is wrong with an address that was to be fixed."""
    failure = unread_failures(request.user).filter(network=found, target_kind="network").first()
    users, hidden_users = networks.users(request.user, found)
    leases, hidden_leases = networks.leases(request.user, found)
    names = {name: label for name, (label, _, _) in labels().items()}
    spec = networks.spec_of(found)
    context = {
        "network": found,
        "fresh": freshness(found.host),
        "reach": networks.reach_word(found.mode),
        "spec": spec,
        "subnets": networks.subnets(found),
        "own": found.mode in OWN,
        "editable": found.mode in ASKED and spec is not None,
        "waiting": [(names.get(name, name), now, then) for name, now, then in networks.waiting(found)],
        "users": users,
        "hidden_users": hidden_users,
        "leases": leases,
        "hidden_leases": hidden_leases,
        "clean": CLEAN_TRAFFIC,
        "clean_there": NetworkFilter.objects.filter(host=found.host_id, name=CLEAN_TRAFFIC).exists(),
        "may_admin": may(request.user, networks.PRIVILEGE, found),
        "may_lease": networks.may_lease(request.user, found),
        "sees_host": visible_hosts(request.user).filter(pk=found.host_id).exists(),
        "working": open_operations(request.user).filter(network=found, target_kind="network").first(),
        "failure": failure,
        "may_read": bool(failure and may_read(failure, request.user)),
        "entries": stream(request.user, network=found, most=8),
        "errors": {name: field_sentence(code) for name, code in (errors or {}).items()},
        "typed": typed or {},
    }
    return render(request, "networks/network.html", context)


@login_required
@require_POST
def network_start(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = get_network_or_404(request.user, pk)
    kind = KINDS["network.start"]
    require_all(session_actor(request), kind.privileges, found)
    return ask(request, lambda: operations.request(kind, found, actor=session_actor(request)), "network", found.pk)


@login_required
@require_POST
def network_autostart(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Whether it starts with its host."""
    found = get_network_or_404(request.user, pk)
    kind = KINDS["network.autostart"]
    require_all(session_actor(request), kind.privileges, found)
    params = Autostart(request.POST.get("enabled") == "true")
    return ask(
        request,
        lambda: operations.request(kind, found, actor=session_actor(request), params=params),
        "network",
        found.pk,
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def network_asked(request: HttpRequest, pk: int, verb: str) -> HttpResponseBase:
    """Stop, restart or delete it, asked before: the question says how many cards are in it."""
    found = get_network_or_404(request.user, pk)
    actor = session_actor(request)
    kind = KINDS[f"network.{verb}"]
    require_all(actor, kind.privileges, found)
    if request.method != "POST" or not request.POST.get("confirmed"):
        template = "networks/_question.html" if "HX-Request" in request.headers else "networks/question.html"
        cards = [card for card in networks.cards(found) if card.now or verb == "delete"]
        context = {"network": found, "verb": verb, "cards": len(cards)}
        return render(request, template, context)
    if verb == "delete":
        return ask(request, lambda: networks.delete(actor, found), "network", found.pk)
    return ask(request, lambda: operations.request(kind, found, actor=actor), "network", found.pk)


@login_required
@require_POST
def network_add_lease(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Fix an address; what is wrong with it stands at the form."""
    found = get_network_or_404(request.user, pk)
    typed = {name: request.POST.get(name, "").strip() for name in ("mac", "duid", "address", "name")}
    try:
        networks.add_lease(session_actor(request), found, typed)
    except (NotAllowed, NotFresh):
        raise
    except BadFields as bad:
        return show(request, found, bad.errors, typed)
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
    return go(request, "network", found.pk)


@login_required
@require_POST
def network_remove_lease(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = get_network_or_404(request.user, pk)
    mac = request.POST.get("mac", "")[:64]
    return ask(request, lambda: networks.remove_lease(session_actor(request), found, mac), "network", found.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def network_add(request: HttpRequest) -> HttpResponseBase:
    """?host= and ?reach= choose, ?mode= chooses among all; sent, it shows the definition, or makes it."""
    actor = session_actor(request)
    require(actor, networks.PRIVILEGE)
    hosts = list(visible_hosts(request.user).order_by("name"))
    host = chosen_host(request) or (hosts[0] if len(hosts) == 1 else None)
    reach = request.GET.get("reach", "internet")
    context: dict[str, Any] = {"hosts": hosts, "of": host}
    if host is None:
        return render(request, "networks/add.html", context)
    mode = mode_for(host, reach, request.GET.get("mode", "") if reach == "other" else "")
    context |= {"reaches": reaches(host, reach), "reach": reach, "mode": mode}
    context |= {"modes": modes(mode) if reach == "other" else []}
    if request.method != "POST":
        context["form"] = make_form(host, mode, suggestion(host, mode))
        return render(request, "networks/add.html", context)
    given, errors = sent(mode, request.POST.dict()), {}
    wish = {**given, "mode": mode}
    try:
        if request.POST.get("do") == "preview":
            context["preview"] = networks.preview(wish)
        else:
            asked = networks.define(actor, host, wish, autostart="autostart" in request.POST)
            return redirect("operation", asked.pk)
    except (NotAllowed, NotFresh):
        raise
    except BadFields as bad:
        errors = bad.errors
    except RequestRefused as refused:
        context["refusal"] = sentence(refused.code, refused.params)
    context |= {"form": make_form(host, mode, given, errors), "sent": True, "autostart": "autostart" in request.POST}
    return render(request, "networks/add.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def network_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What its definition says, to be changed in place; only what was changed is sent on."""
    found = get_network_or_404(request.user, pk)
    actor = session_actor(request)
    require(actor, networks.PRIVILEGE, found)
    spec = networks.spec_of(found)
    if spec is None or found.mode not in ASKED:
        messages.error(request, sentence("network_mismatch", {"mode": found.mode}))
        return redirect("network", found.pk)
    said = asdict(spec)
    context: dict[str, Any] = {"network": found}
    if request.method != "POST":
        context["form"] = make_form(found.host, found.mode, said, edits=True)
        return render(request, "networks/edit.html", context)
    given, errors = sent(found.mode, request.POST.dict()), {}
    changes = {name: value for name, value in given.items() if name in CHANGED and value != said[name]}
    try:
        if changes:
            networks.edit(actor, found, changes)
        return redirect("network", found.pk)
    except (NotAllowed, NotFresh):
        raise
    except BadFields as bad:
        errors = bad.errors
    except RequestRefused as refused:
        context["refusal"] = sentence(refused.code, refused.params)
    context["form"] = make_form(found.host, found.mode, given, errors, edits=True)
    return render(request, "networks/edit.html", context)
