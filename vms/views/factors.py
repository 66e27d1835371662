"""The second step of one's own sign-in: set up, renewed, switched off."""

from __future__ import annotations

import base64
from collections.abc import Callable

from allauth.mfa.adapter import get_adapter
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from vms.errors import FactorOff, FactorOn
from vms.forms.factors import Code, limited
from vms.permissions import Actor, require_fresh
from vms.services import factors
from vms.services.actors import session_actor

# In the session, sealed, until the app has shown that it knows it.
OFFERED = "offered-factor"


@login_required
@require_safe
def two_step(request: HttpRequest) -> HttpResponseBase:
    """Whether a sign-in asks for a code, and how many recovery codes are left."""
    return state_page(request)


@sensitive_post_parameters()
@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def two_step_set_up(request: HttpRequest) -> HttpResponseBase:
    """The secret for an app; sent, a code of it switches the second step on, and recovery codes are the answer."""
    actor = session_actor(request)
    require_fresh(actor)
    if factors.is_on(actor.user):
        return redirect("account-two-step")
    secret = offered(request)
    form = Code(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            with limited(request, actor.user):
                codes = factors.activate(actor, secret, form.cleaned_data["code"])
        except ValidationError as wrong:
            form.add_error("code", wrong)
        except FactorOn:
            return redirect("account-two-step")
        else:
            del request.session[OFFERED]
            return codes_page(request, codes)
    url = get_adapter().build_totp_url(actor.user, secret)
    picture = base64.b64encode(get_adapter().build_totp_svg(url).encode()).decode()
    spaced = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    context = {"form": form, "picture": picture, "secret": secret, "spaced": spaced, "url": url}
    return render(request, "account/two_step_set_up.html", context)


@sensitive_post_parameters()
@login_required
@require_POST
def two_step_codes(request: HttpRequest) -> HttpResponseBase:
    """New recovery codes for a code; shown in the answer and nowhere again."""
    return with_code(request, "renew", lambda actor, code: codes_page(request, factors.renew_codes(actor, code)))


@sensitive_post_parameters()
@login_required
@require_POST
def two_step_off(request: HttpRequest) -> HttpResponseBase:
    """Ask for no code any more, for the last one."""

    def switch_off(actor: Actor, code: str) -> HttpResponseBase:
        factors.deactivate(actor, code)
        return redirect("account-two-step")

    return with_code(request, "off", switch_off)


def with_code(request: HttpRequest, asks: str, do: Callable[[Actor, str], HttpResponseBase]) -> HttpResponseBase:
    """Do it with the code that was sent; where that is no good one, the page again with the reason at that form."""
    actor = session_actor(request)
    form = Code(request.POST, prefix=asks)
    if not form.is_valid():
        return state_page(request, {asks: form})
    try:
        with limited(request, actor.user):
            return do(actor, form.cleaned_data["code"])
    except ValidationError as wrong:
        form.add_error("code", wrong)
        return state_page(request, {asks: form})
    except FactorOff:
        return redirect("account-two-step")


def state_page(request: HttpRequest, forms: dict[str, Code] | None = None) -> HttpResponse:
    user = session_actor(request).user
    forms = {"renew": Code(prefix="renew"), "off": Code(prefix="off"), **(forms or {})}
    context = {"on": factors.find(user), "left": factors.codes_left(user), **forms}
    return render(request, "account/two_step.html", context)


@never_cache
def codes_page(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """The recovery codes, in the only answer that holds them."""
    return render(request, "account/recovery_codes.html", {"codes": codes})


def offered(request: HttpRequest) -> str:
    """The secret that this session is shown until it is used: the same again when the page is loaded anew."""
    if OFFERED not in request.session:
        request.session[OFFERED] = factors.seal(factors.make_secret())
    return factors.unseal(request.session[OFFERED])
