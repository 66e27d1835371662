"""Groups, for administrators: who is in them, and what is granted to them."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.errors import BadFields
from vms.forms.groups import Member, Name
from vms.kinds import whole_number
from vms.models import Quota, User
from vms.permissions import require
from vms.services import grants, groups
from vms.services.actors import session_actor
from vms.services.grant_lines import make_lines
from vms.services.lists import LONGEST_QUERY
from vms.views.users import SEARCHED_FROM
from vms.views.vms import PAGE


@login_required
@require_safe
def group_list(request: HttpRequest) -> HttpResponse:
    """A page of them; ?q= is part of a name."""
    q = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    paginator = Paginator(groups.find_groups(request.user, q), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    total = groups.find_groups(request.user).count()
    context = {
        "groups": page.object_list,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "total": total,
        "q": q,
        "query": f"?{urlencode({'q': q} if q else {})}",
        "searchable": total >= SEARCHED_FROM,
    }
    return render(request, "groups/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def group_add(request: HttpRequest) -> HttpResponseBase:
    """The form; sent, the new group's page."""
    require(request.user, groups.PRIVILEGE)
    form = Name(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect("group", groups.add(session_actor(request), form.cleaned_data["name"]).pk)
        except BadFields as bad:
            form.refuse(bad)
    return render(request, "groups/form.html", {"form": form})


@login_required
@require_safe
def group(request: HttpRequest, pk: int) -> HttpResponse:
    """Who is in it, and what is granted to it."""
    return group_page(request, get_group(request, pk))


@login_required
@require_POST
def group_join(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Somebody is in it; back on its page, with the reason where that was refused."""
    found = get_group(request, pk)
    form = Member(request.POST)
    if form.is_valid():
        try:
            groups.join(session_actor(request), found, form.cleaned_data["member"])
            return redirect("group", found.pk)
        except BadFields as bad:
            form.refuse(bad)
    return group_page(request, found, member=form)


@login_required
@require_POST
def group_leave(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The user of that number is in it no more."""
    found = get_group(request, pk)
    number = whole_number(request.POST.get("user", ""))
    user = User.objects.filter(pk=number).first() if number is not None else None
    if user is None:
        raise Http404
    groups.leave(session_actor(request), found, user)
    return redirect("group", found.pk)


@login_required
@require_POST
def group_rename(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It has the new name; back on its page, with the reason where that was refused."""
    found = get_group(request, pk)
    form = Name(request.POST)
    if form.is_valid():
        try:
            groups.rename(session_actor(request), found, form.cleaned_data["name"])
            return redirect("group", found.pk)
        except BadFields as bad:
            form.refuse(bad)
    return group_page(request, found, name=form)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def group_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask, and say whose rights end; sent, it is gone."""
    found = get_group(request, pk)
    actor = session_actor(request)
    if request.method == "POST":
        groups.remove(actor, found)
        return redirect("group-list")
    given = grants.given_to(found)
    context = {
        "group": found,
        "members": groups.members(actor, found)[:PAGE],
        "lines": make_lines(given[:PAGE], actor),
        "quota": Quota.objects.filter(group=found).exists(),
        "more_members": max(found.members - PAGE, 0),  # type: ignore[attr-defined]
        "more_grants": max(given.count() - PAGE, 0),
    }
    return render(request, "groups/question.html", context)


def get_group(request: HttpRequest, pk: int) -> Group:
    """The group; NotAllowed before one can tell whether it is there."""
    found = groups.find_groups(request.user).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def group_page(
    request: HttpRequest, found: Group, *, member: Member | None = None, name: Name | None = None
) -> HttpResponse:
    """A page of its members, and its latest grants; with what was entered and refused."""
    actor = session_actor(request)
    paginator = Paginator(groups.members(actor, found), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    given = grants.given_to(found)
    context = {
        "group": found,
        "members": page.object_list,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "query": "?",
        "lines": make_lines(given[:PAGE], actor),
        "more_grants": max(given.count() - PAGE, 0),
        "member": member or Member(),
        "name": name or Name(initial={"name": found.name}),
        "give": urlencode({"kind": "group", "to": found.name}),
    }
    return render(request, "groups/group.html", context)
