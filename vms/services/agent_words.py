"""What a guest tells, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.utils.translation import gettext, ngettext

# A question takes a moment; what is nearer is right.
NEAR: Final = 2


def clock_word(ahead: int | None) -> str:
    """ "right", "90 seconds behind"; "" where it does not tell."""
    if ahead is None:
        return ""
    if abs(ahead) <= NEAR:
        return gettext("right")
    number, minutes = abs(ahead), abs(ahead) // 60
    if minutes >= 3:
        behind = ngettext("{n} minute behind", "{n} minutes behind", minutes)
        before = ngettext("{n} minute ahead", "{n} minutes ahead", minutes)
        number = minutes
    else:
        behind = ngettext("{n} second behind", "{n} seconds behind", number)
        before = ngettext("{n} second ahead", "{n} seconds ahead", number)
    return (before if ahead > 0 else behind).format(n=number)


def since(user: dict[str, Any]) -> datetime | None:
    """When somebody logged in, None where what the guest tells is no such time."""
    try:
        return datetime.fromtimestamp(user["since"], UTC) if user["since"] else None
    except (OverflowError, OSError, ValueError):
        return None
