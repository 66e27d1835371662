"""One's own API tokens; administrators end those of others."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from vms.errors import BadFields
from vms.forms.tokens import Make
from vms.models import ApiToken
from vms.permissions import is_fresh
from vms.services import tokens
from vms.services.actors import session_actor


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def token_list(request: HttpRequest) -> HttpResponseBase:
    """One's living tokens; sent, the form makes one, and the answer shows it. Whose sign-in is old is offered to give
    the password once more instead of the form."""
    actor = session_actor(request)
    form = Make(request.POST if request.method == "POST" else None, actor=actor)
    if request.method == "POST" and form.is_valid():
        try:
            token, text = tokens.make(actor, **form.wish())
        except BadFields as refused:
            form.refuse(refused)
        else:
            return token_page(request, token, text)
    context = {"tokens": tokens.visible_tokens(actor), "form": form, "fresh": is_fresh(actor)}
    return render(request, "tokens/list.html", context)


@never_cache
def token_page(request: HttpRequest, token: ApiToken, text: str) -> HttpResponse:
    """The token, in the only answer that holds it."""
    return render(request, "tokens/token.html", {"token": token, "text": text})


@login_required
@require_POST
def token_revoke(request: HttpRequest, pk: int) -> HttpResponseBase:
    """End it, and go back to where it was listed."""
    actor = session_actor(request)
    token = tokens.get_token(actor, pk)
    if token is None:
        raise Http404
    tokens.end(actor, token)
    if token.user_id == actor.user.pk and "account" not in request.POST:
        return redirect("token-list")
    return redirect("user", token.user_id)
