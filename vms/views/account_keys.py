"""One's own SSH keys."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from vms.errors import BadFields
from vms.services import ssh_keys as keys
from vms.services.actors import session_actor
from vms.services.sentences import field_sentence


@sensitive_post_parameters("key")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def ssh_keys(request: HttpRequest) -> HttpResponseBase:
    """The keys; sent, the form adds one. What was pasted is not shown again: it may have been a private key."""
    actor = session_actor(request)
    error, name = {}, ""
    if request.method == "POST":
        name = request.POST.get("name", "")
        try:
            keys.add(actor, request.POST.get("key", ""), name)
        except BadFields as bad:
            error = {field: field_sentence(code) for field, code in bad.errors.items()}
        else:
            return redirect("account-ssh-keys")
    context = {"keys": keys.find_keys(actor.user), "error": error, "name": name[: keys.LONGEST_NAME]}
    return render(request, "account/ssh_keys.html", context)


@login_required
@require_POST
def ssh_key_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Forget that key."""
    actor = session_actor(request)
    found = keys.find_keys(actor.user).filter(pk=pk).first()
    if found is None:
        raise Http404
    keys.remove(actor, found)
    return redirect("account-ssh-keys")
