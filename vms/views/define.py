"""A VM of a definition that an administrator writes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from vms.errors import BadDefinition, NotAllowed, NotFresh, RequestRefused
from vms.kinds import whole_number
from vms.models import Version
from vms.permissions import get_host_or_404
from vms.services import define, history
from vms.services.actors import session_actor
from vms.services.sentences import sentence, warning


def kept(request: HttpRequest) -> str:
    """The definition in ?vm= and ?version= of a VM that is gone, to be defined again; "" for none."""
    vm, number = whole_number(request.GET.get("vm", "")), whole_number(request.GET.get("version", ""))
    if vm is None or number is None:
        return ""
    return (
        Version.objects.filter(vm__in=history.gone(), vm=vm, number=number).values_list("xml", flat=True).first() or ""
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def host_define(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The text; sent, what would be made of it, or what is wrong with it and where; sent from there, it is made, while
    the text is the one that was shown."""
    actor = session_actor(request)
    host = get_host_or_404(actor, pk, to=define.PRIVILEGE)
    typed = request.POST.get("xml", "").replace("\r\n", "\n") or kept(request)
    context: dict[str, Any] = {"host": host, "typed": typed, "faults": [], "draft": None}
    if request.method != "POST":
        return render(request, "hosts/define.html", context)
    try:
        if "make" in request.POST:
            return redirect("vm", define.define(actor, host, typed).target_id)
        draft = define.draft(actor, host, typed)
        context |= {"draft": draft, "warnings": [warning(each.code, each.params) for each in draft.warnings]}
    except (NotAllowed, NotFresh):
        raise
    except BadDefinition as bad:
        context["faults"] = [{"line": fault[0], "said": define.words(fault)} for fault in bad.faults]
    except RequestRefused as refused:
        context["faults"] = [{"line": 0, "said": sentence(refused.code, refused.params)}]
    return render(request, "hosts/define.html", context, status=400 if context["faults"] else 200)
