"""A row of the VM list, as text that is kept: most rows say the same the next time somebody looks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from django import template
from django.template.context import RequestContext
from django.template.loader import get_template
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from vms.services.rows import Row

register = template.Library()

# Of some 2 KiB each.
KEPT: Final = 4096


@register.simple_tag(takes_context=True)
def vm_rows(context: RequestContext, rows: Sequence[Row]) -> SafeString:
    """The rows' markup; many_hosts and no_pick of the context say which cells there are."""
    cells = bool(context.get("many_hosts")), bool(context.get("no_pick")), get_language()
    return SafeString("".join(markup(row, *cells) for row in rows))


@register.simple_tag(takes_context=True)
def vm_row(context: RequestContext, row: Row) -> SafeString:
    """One of them."""
    return vm_rows(context, [row])


@lru_cache(KEPT)
def markup(row: Row, many_hosts: bool, no_pick: bool, language: str | None) -> str:
    """By all that it depends on."""
    shown = {"row": row, "many_hosts": many_hosts, "no_pick": no_pick, "list_url": reverse("vm-list")}
    return get_template("vms/_row.html").render(shown)
