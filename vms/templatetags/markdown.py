"""A description's Markdown (CommonMark) as HTML that does nothing: no HTML of its own, no pictures, no scripts."""

from __future__ import annotations

from typing import Final

from django import template
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

register = template.Library()

# A picture would be asked of where it lies by whoever looks at the page.
WRITER: Final = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")
# Below the title of the part that it stands in.
HEADING: Final = "h3"


@register.filter
def markdown(text: str) -> SafeString:
    """Each line break stays one; headings are of one size. Links say nothing of where they were found."""
    tokens = WRITER.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = HEADING
        for inner in token.children or []:
            mark_link(inner)
    # What is not the writer's own is escaped by it; javascript:, data: and file: are no links (its validateLink).
    written: str = WRITER.renderer.render(tokens, WRITER.options, {})
    # It leaves a single quote as it is, Django never does: on no page is one bare that somebody else has typed.
    return mark_safe(written.replace("'", "&#x27;"))  # noqa: S308


def mark_link(token: Token) -> None:
    if token.type == "link_open":
        token.attrSet("rel", "noopener noreferrer nofollow")
