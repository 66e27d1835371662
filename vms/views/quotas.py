"""How much may be charged to whom, for administrators."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from vms.errors import BadFields
from vms.forms.quotas import Limits, initial
from vms.models import Quota
from vms.services import quotas
from vms.services.actors import session_actor
from vms.services.quota_lines import make_lines
from vms.views.vms import PAGE


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def quota_list(request: HttpRequest) -> HttpResponseBase:
    """A page of them with what is used; sent, the form sets one, and without any limit takes it away. ?change= is the
    one that stands in the form."""
    actor = session_actor(request)
    found = quotas.find_quotas(actor)
    form = Limits(request.POST) if request.method == "POST" else Limits(initial=chosen(request))
    if request.method == "POST" and form.is_valid():
        try:
            quotas.change(actor, form.subject(), form.limits())
        except BadFields as refused:
            form.refuse(refused)
        else:
            return redirect("quota-list")
    paginator = Paginator(found, PAGE)
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "lines": make_lines(page.object_list),
        "page": page,
        "numbers": paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1),
        "query": "?",
        "form": form,
    }
    return render(request, "quotas/list.html", context)


def chosen(request: HttpRequest) -> dict[str, object]:
    """What the form begins with."""
    asked = request.GET.get("change", "")
    quota = Quota.objects.filter(pk=asked).first() if asked.isascii() and asked.isdigit() and len(asked) < 19 else None
    return initial(quota) if quota else {}
