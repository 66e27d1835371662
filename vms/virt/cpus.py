"""The processors that VMs can have on a host, as far as that decides whether a VM can move there.

libvirt tells of a processor its model and what differs from that, and which model has which features lies in its own
files: it is asked to name them all, once, so that a page compares sets.
"""

from __future__ import annotations

from typing import Any, Final

from lxml import etree
from lxml.builder import E

from vms.virt.facts import expanded_of
from vms.virt.machine import GuestCpu
from vms.virt.optional import optional

MOST_FEATURES: Final = 1024
MOST_MODELS: Final = 256
LONGEST: Final = 64


def best(handle: Any, told: etree._Element) -> GuestCpu | None:
    """By the capabilities of its domains; None where it names no such processor, as other machines than PCs do not."""
    mode = told.find("cpu/mode[@name='host-model']")
    model = word(mode.findtext("model")) if mode is not None and mode.get("supported") == "yes" else ""
    if mode is None or not model:
        return None
    listed = mode.findall("feature")[:MOST_FEATURES]
    has = {word(one.get("name")) for one in listed if one.get("policy") != "disable"}
    lacks = {word(one.get("name")) for one in listed if one.get("policy") == "disable"}
    document = E.cpu(
        E.arch(told.findtext("arch") or ""), E.model(model), *(E.feature(name=name) for name in sorted(has))
    )
    full: set[str] = optional(lambda: expanded_of(handle, document), set())
    return GuestCpu(
        model, word(mode.findtext("vendor")), tuple(sorted((full | has) - lacks)), blocked(told), tuple(sorted(lacks))
    )


def blocked(told: etree._Element) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """By the alphabet."""
    found = {
        word(one.get("model")): tuple(sorted(word(feature.get("name")) for feature in one.findall("feature")))
        for one in told.findall("cpu/mode[@name='custom']/blockers")[:MOST_MODELS]
    }
    return tuple(sorted(found.items()))


def word(text: str | None) -> str:
    return (text or "").strip()[:LONGEST]
