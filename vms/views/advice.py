"""What could be otherwise, with what it saves, and leaving it alone."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from vms.services import advice, advice_words
from vms.services.actors import session_actor

# So many of a kind stand on the page; the API has all.
MOST: Final = 50


@login_required
@require_safe
def advice_page(request: HttpRequest) -> HttpResponse:
    """What hurts first, then by kind what saves most; below, what is left alone."""
    found = advice.find(request.user)
    groups = []
    for name, title in advice_words.TITLES.items():
        items = [one for one in found.given if advice_words.group(one) == name]
        if items:
            lines = [advice_words.line(one) for one in items[:MOST]]
            groups.append((name, title, lines, len(items), len(items[MOST:])))
    context = {
        "groups": groups,
        "number": len(found.given),
        "total": advice_words.total(found.given),
        "left": [advice_words.line(one) for one in found.left[:MOST]],
        "more_left": len(found.left[MOST:]),
        "tab": "advice",
    }
    return render(request, "advice/advice.html", context)


@login_required
@require_POST
def advice_leave(request: HttpRequest, id: str) -> HttpResponseBase:
    """Not to be given any more."""
    advice.leave(session_actor(request), id)
    return redirect("advice")


@login_required
@require_POST
def advice_take_back(request: HttpRequest, id: str) -> HttpResponseBase:
    """To be given again."""
    advice.take_back(session_actor(request), id)
    return redirect("advice")
