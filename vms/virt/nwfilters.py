"""Network filters of a host."""

from __future__ import annotations

from typing import Any

from vms.virt.optional import listed, optional
from vms.virt.values import FilterInfo


def known(handle: Any) -> tuple[FilterInfo, ...]:
    """Its filters by name; none where it has no driver for them."""
    found = (describe_if_there(nwfilter) for nwfilter in listed(handle.listAllNWFilters))
    return tuple(sorted((info for info in found if info), key=lambda info: info.name))


def describe_if_there(nwfilter: Any) -> FilterInfo | None:
    """The value, or None for one that has vanished since it was listed."""
    return optional(lambda: FilterInfo(nwfilter.UUIDString(), nwfilter.name(), nwfilter.XMLDesc(0)), None)
