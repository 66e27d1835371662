"""How VMs go from one host to another: under TLS between the two QEMUs, managed over the dashboard's own connections,
unless an administrator has said otherwise for the two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vms.errors import BadFields
from vms.models import Host, MoveRoute
from vms.permissions import Actor, Who, require, visible_hosts
from vms.services import audit
from vms.services.host_fields import Unfit, clean_address

PRIVILEGE: Final = "host.admin"
FIELDS: Final = ("way", "peer", "peer_transport", "address")


def route(source: Host, target: Host) -> MoveRoute:
    """The one that an administrator set, else the usual one, which is no row."""
    found = MoveRoute.objects.filter(source=source, target=target).first()
    return found or MoveRoute(source=source, target=target)


def routes(who: Who, source: Host) -> list[MoveRoute]:
    """To each host that he sees and to which VMs can go, by name."""
    hosts = visible_hosts(who).filter(driver=Host.Driver.QEMU, removed_at=None).exclude(pk=source.pk).order_by("name")
    known = {one.target_id: one for one in MoveRoute.objects.filter(source=source).select_related("target")}
    return [known.get(host.pk) or MoveRoute(source=source, target=host) for host in hosts]


def set_route(actor: Actor, source: Host, target: Host, told: Mapping[str, Any]) -> MoveRoute:
    """Let VMs go so from now on. Raises NotAllowed (host.admin on both), NotFresh, BadFields."""
    require(actor, PRIVILEGE, source)
    require(actor, PRIVILEGE, target)
    made = MoveRoute(source=source, target=target, **checked(source, target, told))
    rows = MoveRoute.objects.filter(source=source, target=target)
    if made.is_usual:
        rows.delete()
    else:
        values = {name: getattr(made, name) for name in FIELDS}
        MoveRoute.objects.update_or_create(source=source, target=target, defaults=values)
    audit.record("changed:move-route", actor=actor, target=source, to=target.name, way=made.way, peer=made.peer)
    return made


def checked(source: Host, target: Host, told: Mapping[str, Any]) -> dict[str, Any]:
    """The values of its columns. Raises BadFields."""
    errors, values = {}, dict[str, Any]()
    values["way"] = told.get("way", MoveRoute.Way.TLS.value)
    values["peer"] = told.get("peer") in (True, "true", "on")
    values["peer_transport"] = told.get("peer_transport", MoveRoute.PeerTransport.TLS.value)
    if values["way"] not in MoveRoute.Way.values:
        errors["way"] = "choice"
    if values["peer_transport"] not in MoveRoute.PeerTransport.values:
        errors["peer_transport"] = "choice"
    try:
        values["address"] = clean_address(told.get("address", ""))
    except Unfit as unfit:
        errors["address"] = unfit.code
    if source.pk == target.pk or source.driver != Host.Driver.QEMU or target.driver != Host.Driver.QEMU:
        errors["target"] = "choice"
    if values["way"] == MoveRoute.Way.TUNNEL and not values["peer"]:
        errors["peer"] = "move_tunnel"
    if values["peer"] and not (values.get("address") or target.address):
        errors.setdefault("address", "move_address")
    if errors:
        raise BadFields(errors)
    return values
