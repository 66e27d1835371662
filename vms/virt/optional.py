"""What a host may not have, or not tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import libvirt

Answer = TypeVar("Answer")


def optional(ask: Callable[[], Answer], otherwise: Answer) -> Answer:
    """The answer, or what stands for none."""
    try:
        return ask()
    except libvirt.libvirtError:
        return otherwise


def listed(ask: Callable[[], Any]) -> list[Any]:
    """The list, or none where the host has no driver for such things."""
    return list(optional(ask, []))
