"""Virtual networks: which there are, who is in them, and asking for changes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from vms.errors import BadFields, NetworkInUse, NetworkMismatch, NetworkTaken, SubnetTaken
from vms.kinds import KINDS
from vms.kinds.networks import Change, Definition, FixedAddress, Mac
from vms.libvirtxml import (
    CHANGED,
    MODES,
    OWN,
    BadNetwork,
    BadXML,
    DomainXML,
    FixedLease,
    NetworkSpec,
    NetworkXML,
    Subnet,
    alike,
    described,
    free_subnet,
    made_network,
    overlapping,
    read_lease,
    read_network,
)
from vms.models import Document, Host, Network, Operation, VirtualMachine
from vms.permissions import Actor, Who, held, require, visible_vms
from vms.services import operations
from vms.services.freshness import Freshness, freshness

PRIVILEGE: Final = "network.admin"
LEASE_PRIVILEGE: Final = "network.lease"
MOST_LEASES: Final = 200


@dataclass(frozen=True)
class Line:
    """A network in a list. reach: what VMs there reach, in words."""

    network: Network
    fresh: Freshness
    reach: str
    subnets: list[str]


@dataclass(frozen=True)
class Card:
    """A VM's card in a network. now: the VM runs with it; later: its next start has it."""

    vm: VirtualMachine
    mac: str
    now: bool
    later: bool


@dataclass(frozen=True)
class User(Card):
    """addresses: what DHCP gave to the card."""

    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Given:
    """An address that is fixed, or that DHCP gave (active). duid: by which IPv6 knows a guest. vm: whose card has the
    MAC, where whoever asks may see it."""

    mac: str
    duid: str
    address: str
    name: str
    fixed: bool
    active: bool
    vm: VirtualMachine | None


def find_networks(networks: QuerySet[Network], *, q: str = "", host: int | None = None) -> QuerySet[Network]:
    """Those of them by host and name; q: words of which each is in the name, the bridge or the host's name."""
    found = networks.select_related("host").order_by("host__name", "name", "pk")
    if host is not None:
        found = found.filter(host=host)
    for word in q.split()[:10]:
        found = found.filter(Q(name__icontains=word) | Q(bridge__icontains=word) | Q(host__name__icontains=word))
    return found


def make_lines(networks: Iterable[Network]) -> list[Line]:
    """In the same order."""
    return [
        Line(network, freshness(network.host), reach_word(network.mode), [str(subnet) for subnet in subnets(network)])
        for network in networks
    ]


def reach_word(mode: str) -> str:
    """What VMs in a network of that mode reach."""
    words = {
        "nat": gettext("Their own private network, with internet"),
        "route": gettext("Their own network, routed by the host"),
        "open": gettext("Their own network, routed by the host without a firewall"),
        "isolated": gettext("Only each other and the host"),
        "bridge": gettext("The network behind a bridge of the host"),
        "direct": gettext("The network behind a card of the host, but not the host"),
        "ovs": gettext("The network behind a bridge of Open vSwitch"),
    }
    return words.get(mode, mode)


def document_of(network: Network) -> NetworkXML | None:
    """Its kept definition; None for what is not taken."""
    try:
        return NetworkXML.parse(network.document)
    except BadXML:
        return None


def subnets(network: Network) -> list[Subnet]:
    document = document_of(network)
    return document.subnets if document else []


def spec_of(network: Network) -> NetworkSpec | None:
    """The description of its kept definition."""
    document = document_of(network)
    return described(document) if document else None


def waiting(network: Network) -> list[tuple[str, str, str]]:
    """(field, as it runs, as it is kept) of what differs until it is restarted; also what has no field of its own, as
    one without a name."""
    if not network.active or alike(network.document, network.live_document):
        return []
    try:
        now, then = (asdict(described(NetworkXML.parse(text))) for text in (network.live_document, network.document))
    except BadXML:
        return []
    return [(name, now[name], then[name]) for name in now if now[name] != then[name]] or [("", "", "")]


def free_address(host: Host) -> str:
    """The host's own address in a subnet that none of its networks has."""
    taken = [each for network in Network.objects.filter(host=host, present=True) for each in subnets(network)]
    return free_subnet(taken)


def links(host: Host, kind: str) -> list[str]:
    """The names of the host's bridges, or of its cards and all that serves as one ("card"), with those of which it does
    not tell what they are."""
    told = host.facts.get("links")
    found = [link for link in told if isinstance(link, dict)] if isinstance(told, list) else []
    return [
        str(link["name"]) for link in found if not link.get("kind") or (link["kind"] == "bridge") == (kind == "bridge")
    ]


def cards(network: Network) -> list[Card]:
    """Every VM's card in the network, of this run and of the next start."""
    documents = Document.objects.filter(
        placement__host=network.host, placement__present=True, placement__current_of__isnull=False
    )
    found: dict[tuple[int, str], Card] = {}
    vms: dict[int, VirtualMachine] = {}
    for document in documents.select_related("placement__vm").defer("live", "next_boot", "sources"):
        vm, runs = document.placement.vm, bool(document.live_sha256)
        vms[vm.pk] = vm
        for card in document.facts.get("interfaces", []):
            if card.get("type") == "network" and card.get("source") == network.name:
                mac = str(card.get("mac") or "").lower()
                found[vm.pk, mac] = Card(vm, mac, now=runs, later=not runs)
    # What was seen of one that runs is of this run alone.
    kept = documents.exclude(live_sha256="").exclude(next_boot="")
    for pk, text in kept.values_list("placement__vm", "next_boot"):
        for mac in macs_in(text, network.name):
            known = found.get((pk, mac))
            found[pk, mac] = Card(vms[pk], mac, now=known is not None, later=True)
    return list(found.values())


def macs_in(text: str, name: str) -> list[str]:
    """Those of the cards that a definition has in the network of that name."""
    try:
        interfaces = DomainXML.parse(text).interfaces
    except BadXML:
        return []
    return [(card.mac or "").lower() for card in interfaces if card.type == "network" and card.network == name]


def users(who: Who, network: Network) -> tuple[list[User], int]:
    """The cards in it of VMs that he may see, by name, and how many others there are."""
    every = cards(network)
    seen = set(visible_vms(who).filter(pk__in=[card.vm.pk for card in every]).values_list("pk", flat=True))
    given: dict[str, list[str]] = {}
    for lease in network.leases:
        given.setdefault(lease["mac"], []).append(lease["address"])
    shown = [
        User(card.vm, card.mac, card.now, card.later, tuple(given.get(card.mac, ())) if card.now else ())
        for card in every
        if card.vm.pk in seen
    ]
    return sorted(shown, key=lambda user: (user.vm.name, user.mac)), len(every) - len(shown)


def leases(who: Who, network: Network) -> tuple[list[Given], int]:
    """The addresses that are fixed and those that DHCP gave, and how many more there are of VMs that he may not see.

    Who may fix addresses sees all of those, and all that no VM has.
    """
    document = document_of(network)
    fixed = document.leases if document else []
    whose = {card.mac: card.vm for card in cards(network) if card.mac}
    seen = set(visible_vms(who).filter(pk__in=[vm.pk for vm in whose.values()]).values_list("pk", flat=True))
    may_fix = may_lease(who, network)
    found = [fixed_line(network, lease) for lease in fixed] + [
        Given(lease["mac"], lease.get("duid", ""), lease["address"], lease["name"], False, True, None)
        for lease in network.leases
        if not any(is_of(lease, each) for each in fixed)
    ]
    shown: list[Given] = []
    for given in found:
        vm = whose.get(given.mac)
        if vm is not None and vm.pk in seen:
            shown.append(replace(given, vm=vm))
        elif may_fix and (given.fixed or vm is None):
            shown.append(given)
    return shown[:MOST_LEASES], len(found) - len(shown)


def fixed_line(network: Network, lease: FixedLease) -> Given:
    """What of IPv6 is known by MAC only once it was given."""
    given = next((each for each in network.leases if is_of(each, lease)), None)
    mac = lease.mac or (given["mac"] if given else "")
    return Given(mac, lease.duid, lease.address, lease.name, True, given is not None, None)


def is_of(given: Mapping[str, str], lease: FixedLease) -> bool:
    """Whether what DHCP gave is the fixed address, to whom it is meant for."""
    return given["address"] == lease.address and (not lease.mac or given["mac"] == lease.mac)


def may_lease(who: Who, network: Network) -> bool:
    return LEASE_PRIVILEGE in held(who, network)


def read(given: Mapping[str, Any]) -> NetworkSpec:
    """What is described, judged. Raises BadFields."""
    try:
        return read_network(given)
    except BadNetwork as bad:
        raise BadFields(bad.faults) from None


def preview(given: Mapping[str, Any]) -> str:
    """The definition that would be sent. Raises BadFields."""
    return made_network(read(given))


def refuse_overlap(host: Host, text: str, *, but: int | None = None) -> None:
    """SubnetTaken names the network of the host that has addresses of the same subnet."""
    others = Network.objects.filter(host=host, present=True).values_list("pk", "name", "document")
    if other := overlapping(NetworkXML.parse(text), {name: document for pk, name, document in others if pk != but}):
        raise SubnetTaken(name=other)


def define(
    actor: Actor, host: Host, given: Mapping[str, Any], *, autostart: bool = True, key: str | None = None
) -> Operation:
    """The operation that makes and starts it. Raises BadFields, NetworkTaken, SubnetTaken, and what
    operations.request() raises."""
    require(actor, PRIVILEGE, host)
    spec = read(given)
    if not key:
        if Network.objects.filter(host=host, present=True, name=spec.name).exists():
            raise NetworkTaken(name=spec.name)
        refuse_overlap(host, made_network(spec))
    params = Definition({name: value for name, value in given.items() if value != ""}, autostart)
    return operations.request(KINDS["network.define"], host, actor=actor, params=params, idempotency_key=key)


def edit(actor: Actor, network: Network, changes: Mapping[str, Any], *, key: str | None = None) -> Operation:
    """The operation that changes what changes names. Raises BadFields, NetworkMismatch for a mode without form,
    SubnetTaken, and what operations.request() raises."""
    require(actor, PRIVILEGE, network)
    if wrong := {name: "unknown" for name in changes if name not in CHANGED}:
        raise BadFields(wrong)
    said = spec_of(network)
    if said is None or said.mode not in MODES:
        raise NetworkMismatch(mode=network.mode)
    kept = {**asdict(said), **({"bridge": ""} if said.mode in OWN else {})}
    spec = read({**kept, **changes})
    if not key:
        refuse_overlap(network.host, made_network(spec), but=network.pk)
    params = Change(dict(changes))
    return operations.request(KINDS["network.edit"], network, actor=actor, params=params, idempotency_key=key)


def delete(actor: Actor, network: Network, key: str | None = None) -> Operation:
    """The operation that lets the host forget it. Raises NetworkInUse, and what operations.request() raises."""
    require(actor, PRIVILEGE, network)
    if not key and (there := cards(network)):
        raise NetworkInUse(name=network.name, vm=there[0].vm.name)
    return operations.request(KINDS["network.delete"], network, actor=actor, idempotency_key=key)


def add_lease(actor: Actor, network: Network, given: Mapping[str, Any], key: str | None = None) -> Operation:
    """The operation that fixes an address. Raises BadFields, NetworkMismatch where no DHCP can be, and what
    operations.request() raises."""
    require(actor, LEASE_PRIVILEGE, network)
    document = document_of(network)
    if document is None or document.mode not in OWN:
        raise NetworkMismatch(mode=network.mode)
    try:
        # Asked for again by the same key it is in the definition already.
        lease = read_lease(given, NetworkXML.parse(made_network(without_leases(document))) if key else document)
    except BadNetwork as bad:
        raise BadFields(bad.faults) from None
    params = FixedAddress(lease.mac, lease.address, lease.name, lease.duid)
    return operations.request(KINDS["network.add-lease"], network, actor=actor, params=params, idempotency_key=key)


def without_leases(document: NetworkXML) -> NetworkSpec:
    said = described(document)
    return NetworkSpec(**{**asdict(said), "bridge": ""})


def remove_lease(actor: Actor, network: Network, which: str, key: str | None = None) -> Operation:
    """The operation that lets a fixed address go, named by itself or by its MAC; the worker says NotFound where there
    is none."""
    require(actor, LEASE_PRIVILEGE, network)
    params = Mac(which.lower())
    return operations.request(KINDS["network.remove-lease"], network, actor=actor, params=params, idempotency_key=key)
