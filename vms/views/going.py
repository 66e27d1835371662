"""Where an answer leads after something was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from vms.errors import BadFields, BadSeed, NotAllowed, NotFresh, RequestRefused
from vms.services.sentences import field_sentence, sentence


def go(request: HttpRequest, view: str, *args: int) -> HttpResponseBase:
    """To that page; a script that asked goes there itself, because following would read the messages away."""
    if "HX-Request" in request.headers:
        return HttpResponse(status=204, headers={"HX-Redirect": reverse(view, args=args)})
    return redirect(view, *args)


@contextmanager
def refusals(form: Any) -> Iterator[None]:
    """What is refused inside stands at the form, whose refuse() takes fields; who may not, or not yet, is answered as
    anywhere."""
    try:
        yield
    except (NotAllowed, NotFresh):
        raise
    except BadFields as bad:
        form.refuse(bad)
    except BadSeed as bad:
        form.refuse_file(bad)
    except RequestRefused as refused:
        form.add_error(None, sentence(refused.code, refused.params))


def refusal(do: Callable[[], object]) -> str:
    """Do it; why that was refused, in words, "" where it was not."""
    try:
        do()
    except (NotAllowed, NotFresh):
        raise
    except BadFields as bad:
        return " ".join(field_sentence(code) for code in bad.errors.values())
    except RequestRefused as refused:
        return sentence(refused.code, refused.params)
    return ""


def ask(request: HttpRequest, do: Callable[[], object], view: str, *args: int) -> HttpResponseBase:
    """Do it and go to that page, with the reason where it was refused."""
    try:
        do()
    except (NotAllowed, NotFresh):
        raise
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
    return go(request, view, *args)
