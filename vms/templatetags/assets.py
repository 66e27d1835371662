"""Built files under their hashed names."""

from __future__ import annotations

import json
from functools import cache

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@cache
def manifest() -> dict[str, str]:
    """What scripts/build.mjs has built; empty before the first build, and then pages come without style."""
    try:
        found: dict[str, str] = json.loads((settings.ASSETS_DIR / "manifest.json").read_text())
    except FileNotFoundError:
        return {}
    return found


@register.simple_tag
def asset(name: str) -> str:
    """The address of a built file: {% asset "app.js" %}."""
    return f"{settings.STATIC_URL}{manifest().get(name, name)}"


@register.simple_tag
@cache
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of the sprite; decoration only, so words stand beside it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        classes, asset("icons.svg"), name,
    )  # fmt: skip
