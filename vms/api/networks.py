"""Virtual networks."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from vms.api.answers import answers
from vms.api.auth import actor
from vms.api.lists import Listing, PageNumber, PageSize, listing
from vms.api.operations import IdempotencyKey, Nothing, Started, accepted, start
from vms.errors import BadFields
from vms.kinds import Autostart
from vms.kinds.networks import AUTOSTART, RESTART, START, STOP
from vms.models import Network
from vms.permissions import get_host_or_404, get_network_or_404, require, visible_networks
from vms.services import networks

router = Router(tags=["networks"])
hosts_router = Router(tags=["networks"])

Words = Annotated[str, Query(max_length=300)]
Text = Annotated[str, Field(max_length=1 << 14)]


class NetworkItem(BaseModel):
    """mode is libvirt's forward mode, "isolated" without one, "direct" for macvtap, "ovs" for Open vSwitch. restart:
    whether a part of its definition applies only when it is restarted."""

    id: int
    uuid: str
    name: str
    host: int
    mode: str
    bridge: str
    active: bool
    autostart: bool
    persistent: bool
    subnets: list[str]
    restart: bool


class NetworkWish(BaseModel):
    """A network to make and start. spec: name, mode (nat, route, open, isolated, bridge, direct, ovs), bridge or device
    of the host; ipv4 and ipv6 (the host's own address with the prefix), dhcp4_start, dhcp4_end, dhcp6_start, dhcp6_end,
    domain, forwarders (with blanks between), hosts (lines of an address and its names), inbound and outbound (KiB a
    second), vlans (of ovs: lines of a port group and its tags). All texts."""

    model_config = ConfigDict(extra="forbid")

    spec: dict[str, Text]
    autostart: bool = True


class NetworkChange(BaseModel):
    """Either whether it starts with its host, or changes: what of its description is to be different, "" for away."""

    model_config = ConfigDict(extra="forbid")

    autostart: bool | None = None
    changes: dict[str, Text] = {}


class LeaseItem(BaseModel):
    """fixed: the MAC gets it always, of IPv6 the DUID, or who says that name. active: it has it now. vm: whose card has
    the MAC, as far as you see that VM."""

    mac: str
    duid: str
    address: str
    name: str
    fixed: bool
    active: bool
    vm: int | None


class LeaseList(BaseModel):
    """hidden: how many more there are, of which you may not know."""

    items: list[LeaseItem]
    hidden: int


class LeaseWish(BaseModel):
    """IPv4 goes by the MAC, IPv6 by the DUID, or by the name alone."""

    model_config = ConfigDict(extra="forbid")

    mac: Annotated[str, Field(max_length=40)] = ""
    duid: Annotated[str, Field(max_length=400)] = ""
    address: Annotated[str, Field(max_length=64)]
    name: Annotated[str, Field(max_length=253)] = ""


class CardItem(BaseModel):
    """A card in the network. now: the VM runs with it; later: its next start has it."""

    vm: int
    name: str
    mac: str
    now: bool
    later: bool
    addresses: list[str]


class UserList(BaseModel):
    """hidden: how many cards more there are, of VMs that you may not see."""

    items: list[CardItem]
    hidden: int


def item(network: Network) -> NetworkItem:
    return NetworkItem(
        id=network.pk,
        uuid=str(network.uuid),
        name=network.name,
        host=network.host_id,
        mode=network.mode,
        bridge=network.bridge,
        active=network.active,
        autostart=network.autostart,
        persistent=network.persistent,
        subnets=[str(subnet) for subnet in networks.subnets(network)],
        restart=bool(networks.waiting(network)),
    )


@router.get("", response=answers(200, Listing[NetworkItem]), summary="Those of all hosts that you may use; q searches")
def index(
    request: HttpRequest, q: Words = "", host: int | None = None, page: PageNumber = 1, page_size: PageSize = 50
) -> Listing[NetworkItem]:
    found = networks.find_networks(visible_networks(actor(request)), q=q.replace("\0", "").strip(), host=host)
    return listing(found, lambda rows: [item(network) for network in rows], page, page_size, timezone.now())


@router.get("/{int:network_id}", response=answers(200, NetworkItem, 404), url_name="network", summary="One")
def show(request: HttpRequest, network_id: int) -> NetworkItem:
    return item(get_network_or_404(actor(request), network_id))


@hosts_router.get(
    "/{int:host_id}/networks", response=answers(200, Listing[NetworkItem], 404), summary="Its own that you may use"
)
def of_host(request: HttpRequest, host_id: int, page: PageNumber = 1, page_size: PageSize = 50) -> Listing[NetworkItem]:
    host = get_host_or_404(actor(request), host_id)
    found = networks.find_networks(visible_networks(actor(request)), host=host.pk)
    return listing(found, lambda rows: [item(network) for network in rows], page, page_size, timezone.now())


@hosts_router.post(
    "/{int:host_id}/networks", response=answers(202, Started, 400, 403, 404, 409), summary="Make one and start it"
)
def define(
    request: HttpRequest, host_id: int, body: NetworkWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    host = get_host_or_404(actor(request), host_id)
    given: dict[str, Any] = dict(body.spec)
    return accepted(
        request, response, networks.define(actor(request), host, given, autostart=body.autostart, key=key)
    )  # fmt: skip


@router.patch(
    "/{int:network_id}",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Change it, or whether it starts with its host",
)
def change(
    request: HttpRequest, network_id: int, body: NetworkChange, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    network = get_network_or_404(actor(request), network_id)
    require(actor(request), networks.PRIVILEGE, network)
    if (body.autostart is None) == (not body.changes):
        raise BadFields({"changes": "missing"})
    if body.autostart is not None:
        return start(request, response, AUTOSTART, network, key, Autostart(body.autostart))
    return accepted(request, response, networks.edit(actor(request), network, body.changes, key=key))


@router.delete(
    "/{int:network_id}",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Stop it and let the host forget it; not while VMs are connected to it",
)
def delete(
    request: HttpRequest, network_id: int, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    network = get_network_or_404(actor(request), network_id)
    return accepted(request, response, networks.delete(actor(request), network, key))


@router.post("/{int:network_id}/start", response=answers(202, Started, 400, 403, 404, 409), summary="Start it")
def start_one(
    request: HttpRequest, network_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    return start(request, response, START, get_network_or_404(actor(request), network_id), key)


@router.post(
    "/{int:network_id}/stop",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Stop it; the cards in it are connected to nothing then",
)
def stop(
    request: HttpRequest, network_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    return start(request, response, STOP, get_network_or_404(actor(request), network_id), key)


@router.post(
    "/{int:network_id}/restart",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Stop it and start it as its definition is kept; the cards in it are connected to nothing meanwhile",
)
def restart(
    request: HttpRequest, network_id: int, response: HttpResponse, body: Nothing = None, key: IdempotencyKey = None
) -> Status[Started]:
    return start(request, response, RESTART, get_network_or_404(actor(request), network_id), key)


@router.get(
    "/{int:network_id}/users", response=answers(200, UserList, 404), summary="The cards in it, of VMs that you may see"
)
def users(request: HttpRequest, network_id: int) -> UserList:
    found, hidden = networks.users(actor(request), get_network_or_404(actor(request), network_id))
    items = [
        CardItem(
            vm=user.vm.pk, name=user.vm.name, mac=user.mac, now=user.now, later=user.later,
            addresses=list(user.addresses),
        )
        for user in found
    ]  # fmt: skip
    return UserList(items=items, hidden=hidden)


@router.get(
    "/{int:network_id}/leases",
    response=answers(200, LeaseList, 404),
    summary="The addresses that it gave or always gives, of VMs that you may see",
)
def leases(request: HttpRequest, network_id: int) -> LeaseList:
    found, hidden = networks.leases(actor(request), get_network_or_404(actor(request), network_id))
    items = [
        LeaseItem(
            mac=each.mac, duid=each.duid, address=each.address, name=each.name, fixed=each.fixed, active=each.active,
            vm=each.vm.pk if each.vm else None,
        )
        for each in found
    ]  # fmt: skip
    return LeaseList(items=items, hidden=hidden)


@router.post(
    "/{int:network_id}/leases",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Fix an address for a MAC or a DUID",
)
def add_lease(
    request: HttpRequest, network_id: int, body: LeaseWish, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    network = get_network_or_404(actor(request), network_id)
    return accepted(request, response, networks.add_lease(actor(request), network, body.model_dump(), key))


@router.delete(
    "/{int:network_id}/leases/{str:mac}",
    response=answers(202, Started, 400, 403, 404, 409),
    summary="Let the fixed address of a MAC go; of IPv6 name the address itself",
)
def remove_lease(
    request: HttpRequest, network_id: int, mac: str, response: HttpResponse, key: IdempotencyKey = None
) -> Status[Started]:
    network = get_network_or_404(actor(request), network_id)
    return accepted(request, response, networks.remove_lease(actor(request), network, mac[:64], key))
