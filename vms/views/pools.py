"""Storage pools: the list over all hosts, each one's page, and adding one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.errors import BadFields, NotAllowed, NotFresh, RequestRefused
from vms.forms.pools import SECRETS, make_form, sent, types
from vms.kinds import KINDS, Autostart, whole_number
from vms.models import Host, StoragePool
from vms.permissions import get_pool_or_404, may, require, require_all, visible_hosts
from vms.services import operations, pools, storages, volumes
from vms.services.actors import session_actor
from vms.services.attention import may_read, open_operations, unread_failures
from vms.services.freshness import freshness
from vms.services.lists import LONGEST_QUERY
from vms.services.sentences import sentence
from vms.services.stream import stream
from vms.views.going import ask, go
from vms.views.vms import PAGE

# So many of what is in it are shown on its own page.
MOST_VOLUMES = 20


# So many disks that are in no pool are named.
MOST_OUTSIDE: Final = 100


@login_required
@require_safe
def pool_list(request: HttpRequest) -> HttpResponseBase:
    """A page of those of all hosts; ?q= searches, ?host= is one host's."""
    q, host = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY], chosen_host(request)
    found = pools.find_pools(request.user, q=q, host=host.pk if host else None)
    paginator = Paginator(found, PAGE)
    page = paginator.get_page(request.GET.get("page"))
    wish = {**({"q": q} if q else {}), **({"host": host.pk} if host else {})}
    context = {
        "lines": pools.make_lines(page.object_list),
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "query": f"?{urlencode(wish)}",
        "q": q,
        "of": host,
        "may_admin": may(request.user, pools.PRIVILEGE),
        "outside": volumes.outside(request.user, host)[:MOST_OUTSIDE] if host else [],
    }
    return render(request, "pools/list.html", context)


def chosen_host(request: HttpRequest) -> Host | None:
    """The host of ?host=, where there is one that he sees."""
    return host_of(request, request.GET.get("host", ""))


def host_of(request: HttpRequest, text: str) -> Host | None:
    """The host of that number, where there is one that he sees."""
    number = whole_number(text)
    return visible_hosts(request.user).filter(pk=number).first() if number is not None else None


@login_required
@require_safe
def pool(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What it is, how full, what is in it, and what was done with it."""
    found = get_pool_or_404(request.user, pk)
    failure = unread_failures(request.user).filter(pool=found, target_kind="pool").first()
    shared = StoragePool.objects.filter(storage=found.storage_id, present=True, host__removed_at=None)
    may_admin = may(request.user, pools.PRIVILEGE, found)
    inside = volumes.listed(request.user, found)
    context = {
        "pool": found,
        "fresh": freshness(found.host),
        "type": pools.type_word(found.type),
        "percent": pools.percent(found),
        "may_upload": may(request.user, "pool.upload", found),
        "inside": pools.inside(found),
        "others": shared.exclude(pk=found.pk).select_related("host").order_by("host__name") if may_admin else [],
        "may_admin": may_admin,
        "sees_host": visible_hosts(request.user).filter(pk=found.host_id).exists(),
        "working": open_operations(request.user).filter(pool=found, target_kind="pool").first(),
        "failure": failure,
        "may_read": bool(failure and may_read(failure, request.user)),
        "entries": stream(request.user, pool=found, most=8),
        "volumes": inside[:MOST_VOLUMES],
        "doubtful": inside.filter(volumes.DOUBTFUL).count(),
        "volume_count": inside.count(),
    }
    return render(request, "pools/pool.html", context)


@login_required
@require_POST
def pool_verb(request: HttpRequest, pk: int, verb: str) -> HttpResponseBase:
    """Start it, or let the host look through it."""
    found = get_pool_or_404(request.user, pk)
    kind = KINDS[f"pool.{verb}"]
    require_all(session_actor(request), kind.privileges, found)
    return ask(request, lambda: operations.request(kind, found, actor=session_actor(request)), "pool", found.pk)


@login_required
@require_POST
def pool_autostart(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Whether it starts with its host."""
    found = get_pool_or_404(request.user, pk)
    kind = KINDS["pool.autostart"]
    require_all(session_actor(request), kind.privileges, found)
    params = Autostart(request.POST.get("enabled") == "true")
    return ask(
        request, lambda: operations.request(kind, found, actor=session_actor(request), params=params), "pool", found.pk
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pool_stop(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Asked before."""
    found = get_pool_or_404(request.user, pk)
    kind = KINDS["pool.stop"]
    require_all(session_actor(request), kind.privileges, found)
    if request.method != "POST" or not request.POST.get("confirmed"):
        return question(request, found, "stop")
    return ask(request, lambda: operations.request(kind, found, actor=session_actor(request)), "pool", found.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pool_delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Says what is inside and who uses it; wants the name typed, and what becomes of what is inside."""
    found = get_pool_or_404(request.user, pk)
    actor = session_actor(request)
    require_all(actor, KINDS["pool.delete"].privileges, found)
    what = request.POST.get("inside", "")
    if request.method != "POST" or what not in ("keep", "wipe") or request.POST.get("name") != found.name:
        return question(request, found, "delete", wrong=request.method == "POST")
    try:
        asked = pools.delete(actor, found, wipe=what == "wipe")
    except (NotAllowed, NotFresh):
        raise
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
        return go(request, "pool", found.pk)
    return go(request, "operation", asked.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pool_join(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Asks which pool is the same storage."""
    found = get_pool_or_404(request.user, pk)
    actor = session_actor(request)
    require(actor, pools.PRIVILEGE, found)
    others = storages.others(request.user, found)
    other = next((each for each in others if str(each.pk) == request.POST.get("pool")), None)
    if request.method != "POST" or other is None:
        return question(request, found, "join", wrong=request.method == "POST", others=others)
    return ask(request, lambda: storages.join(actor, found, other), "pool", found.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pool_separate(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Asked before."""
    found = get_pool_or_404(request.user, pk)
    actor = session_actor(request)
    require(actor, pools.PRIVILEGE, found)
    if request.method != "POST" or not request.POST.get("confirmed"):
        return question(request, found, "separate")
    return ask(request, lambda: storages.separate(actor, found), "pool", found.pk)


def question(
    request: HttpRequest, found: StoragePool, verb: str, *, wrong: bool = False, others: Iterable[StoragePool] = ()
) -> HttpResponse:
    """A page of its own, or the content of a dialog."""
    context = {"pool": found, "verb": verb, "inside": pools.inside(found), "wrong": wrong, "others": others}
    template = "pools/_question.html" if "HX-Request" in request.headers else "pools/question.html"
    return render(request, template, context, status=400 if wrong else 200)


@sensitive_post_parameters(*SECRETS)
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pool_add(request: HttpRequest) -> HttpResponseBase:
    """?host= and ?type= choose, the rest of the address fills the form; sent, it shows the definition, or makes it."""
    actor = session_actor(request)
    require(actor, pools.PRIVILEGE)
    hosts = list(visible_hosts(request.user).order_by("name"))
    host = chosen_host(request) or (hosts[0] if len(hosts) == 1 else None)
    type = request.GET.get("type", "dir")
    context: dict[str, Any] = {"hosts": hosts, "of": host, "type": type}
    if host is None:
        return render(request, "pools/add.html", context)
    context |= {"types": types(host, type), **looked_for(request, host, type)}
    if request.method != "POST":
        context["form"] = make_form(type, request.GET.dict())
        return render(request, "pools/add.html", context)
    given, errors = sent(type, request.POST.dict()), {}
    confirmed = request.POST.get("confirmed", "").strip()
    try:
        if request.POST.get("do") == "preview":
            context["preview"] = pools.preview(given, confirmed)
        else:
            asked = pools.define(
                actor, host, given, {name: request.POST.get(name, "") for name in SECRETS},
                build="build" in request.POST, autostart="autostart" in request.POST, confirmed=confirmed,
            )  # fmt: skip
            return redirect("operation", asked.pk)
    except (NotAllowed, NotFresh):
        raise
    except BadFields as bad:
        errors = bad.errors
    except RequestRefused as refused:
        context["refusal"] = sentence(refused.code, refused.params)
    ticks = {name: name in request.POST for name in ("build", "autostart")}
    context |= {"form": make_form(type, given, errors), "sent": True, **ticks}
    return render(request, "pools/add.html", context)


def looked_for(request: HttpRequest, host: Host, type: str) -> dict[str, Any]:
    """What the search of ?found= has found, each with an address that fills it into the form."""
    number = whole_number(request.GET.get("found", "")) or 0
    search = pools.search_of(request.user, host, number)
    if search is None or search.params.get("type") != type:
        return {"search": None}
    asked = {name: value for name, value in search.params.items() if value}
    found = [
        (" · ".join(entry.values()), urlencode({"host": host.pk, "found": search.pk, **asked, **entry}))
        for entry in pools.found_sources(search, type)
    ]
    return {"search": search, "found": found}


@login_required
@require_POST
def pool_find(request: HttpRequest) -> HttpResponseBase:
    """Let the host look for what a pool could be made of; back to the form, which shows what it finds."""
    actor = session_actor(request)
    require(actor, pools.PRIVILEGE)
    host = host_of(request, request.POST.get("host", ""))
    given = {name: request.POST.get(name, "") for name in ("type", "server", "port", "initiator")}
    wish: dict[str, Any] = {**given, "host": host.pk if host else ""}
    if host:
        try:
            wish["found"] = pools.search(actor, host, given).pk
        except (NotAllowed, NotFresh):
            raise
        except RequestRefused as refused:
            messages.error(request, sentence(refused.code, refused.params))
    return redirect(f"{reverse('pool-add')}?{urlencode(wish)}")
