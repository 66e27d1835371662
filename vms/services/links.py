"""A host's network interfaces as its page shows them, and what they are used for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext

from vms.kinds.words import mark
from vms.models import Host, Network
from vms.permissions import Who, visible_networks
from vms.services.hosts import items
from vms.services.networks import spec_of

KINDS: Final[dict[str, str]] = {
    "ethernet": mark("network card"), "bridge": mark("bridge"), "bond": mark("bond"), "vlan": mark("VLAN"),
}  # fmt: skip
STATES: Final[dict[str, str]] = {
    "up": mark("up"), "down": mark("down"), "lowerlayerdown": mark("down"), "notpresent": mark("away"),
    "dormant": mark("waiting"), "testing": mark("testing"),
}  # fmt: skip
MBIT: Final = 1000


@dataclass(frozen=True)
class LinkLine:
    """An interface. kind, state and speed in words, "" for what is not told. within: the bridges and bonds that it is
    a part of; networks: those that lead through it."""

    name: str
    kind: str
    up: bool
    state: str
    speed: str
    mac: str
    addresses: list[str]
    parts: list[str]
    within: list[str]
    networks: list[Network]


def lines(host: Host, who: Who, *, addresses: bool) -> list[LinkLine]:
    """Its interfaces by name, with the networks that he may use. addresses: whether he may know how it is reached."""
    told = items(host.facts.get("links"))
    within: dict[str, list[str]] = {}
    for link in told:
        if link.get("kind") in ("bridge", "bond"):
            for part in link.get("parts", []):
                within.setdefault(part, []).append(link["name"])
    used = through(host, who) if told else {}
    return [line(link, within, used, addresses=addresses) for link in told]


def through(host: Host, who: Who) -> dict[str, list[Network]]:
    """{interface: the networks whose definition names it}."""
    found: dict[str, list[Network]] = {}
    for network in visible_networks(who).filter(host=host).order_by("name", "pk"):
        spec = spec_of(network)
        for name in {spec.bridge, spec.device} - {""} if spec else ():
            found.setdefault(name, []).append(network)
    return found


def line(
    link: dict[str, Any], within: dict[str, list[str]], used: dict[str, list[Network]], *, addresses: bool
) -> LinkLine:
    name, kind, state = link["name"], KINDS.get(link.get("kind", ""), ""), link.get("state", "")
    return LinkLine(
        name=name,
        kind=gettext(kind) if kind else "",
        up=state == "up",
        state=gettext(STATES[state]) if state in STATES else "",
        speed=speed(link.get("speed", 0)) if state == "up" else "",
        mac=link.get("mac", ""),
        addresses=link.get("addresses", []) if addresses else [],
        parts=link.get("parts", []),
        within=within.get(name, []),
        networks=used.get(name, []),
    )


def speed(mbit: int) -> str:
    """1000 as "1 Gbit/s", 100 as "100 Mbit/s", "" for 0."""
    if not mbit:
        return ""
    if mbit < MBIT:
        return gettext("{n} Mbit/s").format(n=mbit)
    return gettext("{n} Gbit/s").format(n=f"{mbit / MBIT:g}")
