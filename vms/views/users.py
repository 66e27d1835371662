"""Accounts, for administrators; and the page on which who was invited sets his password."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.errors import BadFields, InvitationRefused, NotFresh, RequestRefused
from vms.forms.users import Invited, make_form, sent
from vms.models import User
from vms.permissions import Actor, require, require_fresh
from vms.services import consoles, factors, sessions, tokens, users
from vms.services.actors import client_address, session_actor
from vms.services.grant_lines import find_grants_of, make_lines
from vms.services.lists import LONGEST_QUERY
from vms.services.sentences import sentence
from vms.views.vms import PAGE

SEARCHED_FROM = 10


@login_required
@require_safe
def user_list(request: HttpRequest) -> HttpResponse:
    """A page of them; ?q= is part of a name or mail address."""
    q = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]
    paginator = Paginator(users.find_users(request.user, q), PAGE)
    page = paginator.get_page(request.GET.get("page"))
    total = users.find_users(request.user).count()
    context = {
        "users": page.object_list,
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "total": total,
        "q": q,
        "query": f"?{urlencode({'q': q} if q else {})}",
        "searchable": total >= SEARCHED_FROM,
        "now": timezone.now(),
    }
    return render(request, "users/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def user_add(request: HttpRequest) -> HttpResponseBase:
    """The form; sent, the link for the new user."""
    require(request.user, users.PRIVILEGE)
    if request.method != "POST":
        require_fresh(session_actor(request))
        return render(request, "users/form.html", {"form": make_form()})
    given = sent(request)
    try:
        added, token = users.add(
            session_actor(request), given["name"], given["mail"], administrator=bool(given["administrator"])
        )
    except BadFields as bad:
        return render(request, "users/form.html", {"form": make_form(given, bad.errors)})
    return link_page(request, added, token)


@login_required
@require_safe
def user(request: HttpRequest, pk: int) -> HttpResponse:
    """What the account may and by which group or grant, how and where it signs in, its tokens and open consoles."""
    found = get_user(request, pk)
    now = timezone.now()
    reaching = find_grants_of(request.user, found)
    context = {
        "account": found,
        "groups": found.groups.order_by("name"),
        "lines": make_lines(reaching[:PAGE], request.user),
        "more_grants": max(reaching.count() - PAGE, 0),
        "give": urlencode({"kind": "user", "to": found.get_username()}),
        "sessions": sessions.find_living(request.user).filter(user=found),
        "tokens": tokens.living(found),
        "consoles": consoles.find_open(request.user).filter(user=found),
        "two_step": factors.is_on(found),
        "now": now,
    }
    return render(request, "users/user.html", context)


@login_required
@require_POST
def user_invite(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A new link; shown in the answer and nowhere again."""
    found = get_user(request, pk)
    try:
        token = users.invite(session_actor(request), found)
    except NotFresh:
        raise
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
        return redirect("user", found.pk)
    return link_page(request, found, token)


@login_required
@require_POST
def user_disable(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Switch the account off."""
    return change(request, pk, users.disable)


@login_required
@require_POST
def user_enable(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Switch it on again."""
    return change(request, pk, users.enable)


@login_required
@require_POST
def user_promote(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Make it an administrator."""
    return change(request, pk, users.promote)


@login_required
@require_POST
def user_demote(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It administers no more."""
    return change(request, pk, users.demote)


@login_required
@require_POST
def user_sign_out(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Sign it out everywhere."""
    return change(request, pk, users.sign_out)


@login_required
@require_POST
def user_reset_factors(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Let it sign in with the password alone."""
    return change(request, pk, factors.reset)


def get_user(request: HttpRequest, pk: int) -> User:
    """The account; NotAllowed before one can tell whether it is there."""
    found = users.find_users(request.user).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def change(request: HttpRequest, pk: int, do: Callable[[Actor, User], object]) -> HttpResponseBase:
    """Do it and go back to the account, with the reason where it was refused."""
    found = get_user(request, pk)
    try:
        do(session_actor(request), found)
    except NotFresh:
        raise
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
    return redirect("user", found.pk)


@never_cache
def link_page(request: HttpRequest, found: User, token: str) -> HttpResponse:
    """The link, in the only answer that holds it."""
    return render(request, "users/link.html", {"account": found, "link": users.link(request, token)})


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest) -> HttpResponseBase:
    """The form into which a script moves the token; sent, the password is set and one is signed in."""
    if request.method != "POST":
        return render(request, "account/invitation.html", {"form": Invited()})
    if not ratelimit.consume(request, action="invitation"):
        slower: HttpResponse = ratelimit.respond_429(request)
        return slower
    try:
        form = Invited(request.POST, user=users.find_invited(request.POST.get("token", "")))
        if not form.is_valid():
            return render(request, "account/invitation.html", {"form": form})
        with transaction.atomic():
            found = users.consume(form.cleaned_data["token"], client_address(request))
            get_adapter().set_password(found, form.cleaned_data["password1"])
    except InvitationRefused as refused:
        return render(request, "account/invitation.html", {"refused": sentence(refused.code)})
    # Who has just chosen the password is not asked for it at once.
    record_authentication(request, found, method="password")
    signed_in: HttpResponse = perform_login(request, found, email_verification="none")
    return signed_in
