"""The form of a network: it asks what VMs there are to reach, and then only for what that needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext

from vms.libvirtxml import CHANGED, MODES
from vms.models import Host
from vms.services.networks import free_address, links, reach_word
from vms.services.sentences import field_sentence

ADDRESSES: Final = ("ipv4", "dhcp4_start", "dhcp4_end", "ipv6", "dhcp6_start", "dhcp6_end")
NAMES: Final = ("domain", "forwarders", "hosts")
SPEEDS: Final = ("inbound", "outbound")
ASKED: Final[dict[str, tuple[str, ...]]] = {
    "nat": ("name", *ADDRESSES, "device", *NAMES, *SPEEDS),
    "route": ("name", *ADDRESSES, "device", *NAMES, *SPEEDS),
    "open": ("name", *ADDRESSES, *NAMES, *SPEEDS),
    "isolated": ("name", *ADDRESSES, *NAMES, *SPEEDS),
    "bridge": ("name", "bridge"),
    "direct": ("name", "device"),
    "ovs": ("name", "bridge", "vlans"),
}
# What the question "What should VMs here reach?" leads to.
REACHES: Final = ("internet", "lan", "each_other", "other")


@dataclass(frozen=True)
class Field:
    """One field; kind: line, number, lines or choice."""

    name: str
    label: str
    kind: str
    help: str
    hint: str
    value: str
    error: str
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Reach:
    """An answer to the question, with the mode that it leads to on this host."""

    value: str
    label: str
    help: str
    mode: str
    chosen: bool


@dataclass(frozen=True)
class Form:
    """errors: of what has no field. price: what this mode costs."""

    mode: str
    fields: list[Field]
    price: str
    errors: list[str]


def reaches(host: Host, chosen: str) -> list[Reach]:
    """The answers, with the ways that this host has."""
    bridges = links(host, "bridge")
    lan = (
        gettext("By the host's bridge. VMs are in the network like machines of their own.")
        if bridges
        else gettext("The host tells of no bridge, so by macvtap on its card: the host itself can't talk to the VM.")
    )
    told = {
        "internet": (
            gettext("The internet, from a private network"),
            gettext("Nobody reaches them from outside (NAT)."),
            "nat",
        ),
        "lan": (gettext("My LAN"), lan, "bridge" if bridges else "direct"),
        "each_other": (gettext("Only each other"), gettext("And the host. Nothing else."), "isolated"),
        "other": (gettext("Something else"), gettext("All that libvirt has."), "route"),
    }
    return [Reach(value, *told[value], value == chosen) for value in REACHES]


def mode_for(host: Host, reach: str, mode: str) -> str:
    """The mode that the request chooses."""
    if mode in MODES:
        return mode
    return next((each.mode for each in reaches(host, reach) if each.value == reach), "nat")


def modes(chosen: str) -> list[tuple[str, str, bool]]:
    """(mode, in words, chosen) of all."""
    return [(mode, f"{reach_word(mode)} ({mode})", mode == chosen) for mode in MODES]


def price(mode: str) -> str:
    """What people should know before."""
    prices = {
        "nat": gettext("Machines outside cannot reach the VMs."),
        "route": gettext("Machines outside reach the VMs only when their router knows the way through this host."),
        "open": gettext("libvirt sets no firewall rules: whatever the host lets through, passes."),
        "direct": gettext("The host itself can't talk to the VM, and many wireless cards refuse it."),
        "bridge": gettext("The VMs are as open to that network as the host is."),
        "ovs": gettext("The bridge must be one of Open vSwitch; libvirt only plugs into it."),
    }
    return prices.get(mode, "")


def labels() -> dict[str, tuple[str, str, str]]:
    """{field: (label, help, hint)}."""
    return {
        "name": (gettext("Name"), gettext("How libvirt on the host calls it."), ""),
        "bridge": (gettext("Bridge of the host"), "", "br0"),
        "device": (gettext("Card of the host"), "", "eth0"),
        "ipv4": (
            gettext("IPv4: the host's address and the prefix"),
            gettext("Its subnet is the VMs'."),
            "192.168.50.1/24",
        ),
        "dhcp4_start": (gettext("First address that VMs get"), gettext("Empty: no DHCP."), "192.168.50.2"),
        "dhcp4_end": (gettext("Last address that VMs get"), "", "192.168.50.254"),
        "ipv6": (gettext("IPv6: the host's address and the prefix"), gettext("Empty: no IPv6."), "fd00:50::1/64"),
        "dhcp6_start": (gettext("First IPv6 address that VMs get"), gettext("Empty: no DHCP."), "fd00:50::100"),
        "dhcp6_end": (gettext("Last IPv6 address that VMs get"), "", "fd00:50::1ff"),
        "domain": (
            gettext("Domain"),
            gettext("The last part of the VMs' names here; asked for nowhere else."),
            "lab.example",
        ),
        "forwarders": (gettext("DNS servers"), gettext("With blanks between. Empty: those of the host."), "192.0.2.53"),
        "hosts": (gettext("Names"), gettext("Each line: an address and its names."), "192.168.50.9 printer"),
        "inbound": (gettext("Most into it, KiB a second"), gettext("Of all VMs together. Empty: no limit."), ""),
        "outbound": (gettext("Most out of it, KiB a second"), "", ""),
        "vlans": (
            gettext("VLANs"),
            gettext("Each line: a name and its VLANs, the usual one first."),
            "office 10",
        ),
    }


def suggestion(host: Host, mode: str) -> dict[str, str]:
    """What a new one of that mode may have: a subnet that no network of the host has."""
    if mode not in ("nat", "isolated", "route", "open") or not (own := free_address(host)):
        return {}
    subnet = own.rpartition(".")[0]
    return {"ipv4": own, "dhcp4_start": f"{subnet}.2", "dhcp4_end": f"{subnet}.254"}


def make_form(
    host: Host, mode: str, given: Mapping[str, Any], errors: Mapping[str, str] | None = None, *, edits: bool = False
) -> Form:
    """The form of that mode; edits: of one that is there, without what cannot be changed."""
    faults = {name: field_sentence(code) for name, code in (errors or {}).items()}
    words, fields = labels(), []
    for name in ASKED[mode]:
        if edits and name not in CHANGED:
            continue
        label, help, hint = words[name]
        found = links(host, "bridge" if name == "bridge" else "card") if name in ("bridge", "device") else []
        value = str(given.get(name, ""))
        if value and found and value not in found:
            found.append(value)
        if found and mode in ("nat", "route"):
            found.insert(0, "")
        kind = "choice" if found else "lines" if name in ("hosts", "vlans") else "number" if name in SPEEDS else "line"
        if name == "device" and mode in ("nat", "route"):
            help = gettext("Empty: any.")
        if mode == "ovs" and name == "bridge":
            kind, found = "line", []
        choices = tuple((each, each or gettext("any")) for each in found)
        fields.append(Field(name, label, kind, help, hint, value, faults.pop(name, ""), choices))
    return Form(mode, fields, price(mode), list(faults.values()))


def sent(mode: str, post: Mapping[str, str]) -> dict[str, str]:
    """What the form sends."""
    return {name: post.get(name, "").replace("\r\n", "\n").strip() for name in ASKED[mode]}
