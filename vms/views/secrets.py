"""A host's secrets, for administrators: what they are for and who uses them; values go in and never out."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from vms.errors import BadFields, NotAllowed, NotFresh, RequestRefused
from vms.kinds.secrets import USAGES
from vms.permissions import get_host_or_404
from vms.services import secrets
from vms.services.actors import session_actor
from vms.services.attention import open_operations
from vms.services.freshness import freshness
from vms.services.sentences import field_sentence, sentence


@sensitive_post_parameters("value")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_secrets(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Those that the host keeps; sent, the form sets one."""
    actor = session_actor(request)
    host = get_host_or_404(actor, pk, to=secrets.PRIVILEGE)
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            secrets.set_value(actor, host, request.POST.dict())
            return redirect("host-secrets", host.pk)
        except (NotAllowed, NotFresh):
            raise
        except BadFields as bad:
            errors = {name: field_sentence(code) for name, code in bad.errors.items()}
        except RequestRefused as refused:
            messages.error(request, sentence(refused.code, refused.params))
    working = open_operations(request.user).filter(host=host, kind__startswith="secret.")
    context = {
        "host": host,
        "fresh": freshness(host),
        "secrets": secrets.known(host),
        "working": working.first(),
        "usages": USAGES,
        "typed": {name: request.POST.get(name, "") for name in ("usage", "name")},
        "errors": errors,
    }
    return render(request, "hosts/secrets.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_secret_delete(request: HttpRequest, pk: int, uuid: UUID) -> HttpResponseBase:
    """Asked before; not while something names it."""
    actor = session_actor(request)
    host = get_host_or_404(actor, pk, to=secrets.PRIVILEGE)
    secret = next((known for known in secrets.known(host) if known.uuid == str(uuid)), None)
    if request.method != "POST" or not request.POST.get("confirmed"):
        template = "hosts/_secret_question.html" if "HX-Request" in request.headers else "hosts/secret_question.html"
        return render(request, template, {"host": host, "secret": secret, "uuid": uuid})
    try:
        secrets.delete(actor, host, str(uuid))
    except (NotAllowed, NotFresh):
        raise
    except RequestRefused as refused:
        messages.error(request, sentence(refused.code, refused.params))
    return redirect("host-secrets", host.pk)
