"""What an administrator does with the rows of hosts: each change with its audit row and its announcement in one commit.

Nothing here asks a host anything; the watcher sees the row and connects, or no longer does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from vms import live
from vms.errors import BadParameters, KeyNotOffered, WrongHost
from vms.models import OPEN_STATES, Host, Lease, Operation, Placement, VirtualMachine
from vms.permissions import Actor, require
from vms.services import audit, certificates, host_keys
from vms.services.host_fields import HostFields, check
from vms.services.locks import held_by
from vms.services.sealing import seal

PRIVILEGE = "host.admin"
# Where another machine may answer, the key that was accepted says nothing any more.
PLACE = ("transport", "address", "port")


def add(actor: Actor, given: Mapping[str, Any]) -> Host:
    """The new host; the watcher connects to it, over ssh after its key was accepted. Raises BadFields."""
    require(actor, PRIVILEGE)
    with transaction.atomic():
        fields = check(given)
        host = Host.objects.create(**columns(fields))
        keep_secret(host, fields)
        tell("added:host", actor, host, transport=host.transport, driver=host.driver, to=host.address)
    return host


def edit(actor: Actor, host: Host, given: Mapping[str, Any]) -> Host:
    """The host with these fields changed and the others as they were. Raises BadFields."""
    require(actor, PRIVILEGE, host)
    with transaction.atomic():
        before = Host.objects.get(pk=host.pk)
        fields = check(given, before)
        values = columns(fields)
        was = {name: getattr(before, name) for name in values}
        changed = [name for name in values if was[name] != values[name]]
        if not changed and not fields.private_key:
            return before
        told = edited(was, values, before, fields)
        if any(name in changed for name in PLACE):
            values |= {"host_key": "", "offered_key": ""}
        if "transport" in changed:
            values |= {"public_key": "", "sealed": ""}
        Host.objects.filter(pk=host.pk).update(**values)
        host = Host.objects.get(pk=host.pk)
        keep_secret(host, fields)
        tell("edited:host", actor, host, **told)
    return host


def edited(was: dict[str, Any], values: dict[str, Any], host: Host, fields: HostFields) -> dict[str, Any]:
    """What the audit says of it: certificates by their fingerprints, of a key that there is one."""
    told = audit.changes(was, values)
    for side in told.values():
        for name in {"certificate", "ca_certificate"} & set(side):
            side[name] = certificates.fingerprint(side[name])
    if fields.private_key:
        told["before"]["private_key"] = audit.SECRET if host.sealed else ""
        told["after"]["private_key"] = audit.SECRET
    return told


def columns(fields: HostFields) -> dict[str, Any]:
    """The row's own fields; the secret is not among them."""
    return {
        "name": fields.name,
        "transport": fields.transport,
        "driver": fields.driver,
        "node": fields.node,
        "address": fields.address,
        "port": fields.port,
        "user": fields.user,
        "socket": fields.socket,
        "ca_certificate": fields.ca_certificate,
        "certificate": fields.certificate,
    }


def keep_secret(host: Host, fields: HostFields) -> None:
    """Seal the key that was given, or make the one that ssh needs."""
    if host.transport == Host.Transport.SSH and not host.sealed:
        renew_pair(host)
    elif fields.private_key:
        host.sealed = seal(fields.private_key, host.sealed_for)
        host.save(update_fields=["sealed"])


def renew_pair(host: Host) -> None:
    private, host.public_key = host_keys.make_pair()
    host.sealed = seal(private, host.sealed_for)
    host.save(update_fields=["sealed", "public_key"])


def make_key(actor: Actor, host: Host) -> None:
    """A new pair for ssh; the host lets the dashboard in again when the new line stands there."""
    require(actor, PRIVILEGE, host)
    with transaction.atomic():
        renew_pair(host)
        tell("made:host-key", actor, host, fingerprint=host_keys.fingerprint(host.public_key))


def accept_key(actor: Actor, host: Host, fingerprint: str) -> None:
    """From now on the machine must show the key that it offered; KeyNotOffered when that has another fingerprint."""
    require(actor, PRIVILEGE, host)
    with transaction.atomic():
        now = Host.objects.get(pk=host.pk)
        offered = host_keys.fingerprint(now.offered_key)
        given = fingerprint.strip()
        if not offered or not constant_time_compare(given, offered):
            raise KeyNotOffered(fingerprint=offered)
        Host.objects.filter(pk=host.pk).update(host_key=now.offered_key, offered_key="")
        tell("accepted:host-key", actor, host, fingerprint=offered, was=host_keys.fingerprint(now.host_key))


def refuse_key(actor: Actor, host: Host) -> None:
    """Forget the key that the machine offered; one that was accepted before stays."""
    require(actor, PRIVILEGE, host)
    with transaction.atomic():
        offered = host_keys.fingerprint(Host.objects.get(pk=host.pk).offered_key)
        if offered:
            Host.objects.filter(pk=host.pk).update(offered_key="")
            tell("refused:host-key", actor, host, fingerprint=offered)


def accept_machine(actor: Actor, host: Host, uuid: str) -> None:
    """It is the same host, although its UUID is another now (a new board, or one without a UUID of its own).

    BadParameters when that is not the UUID that answers there at present. Where it is another row's, the watcher says
    so at its next look.
    """
    require(actor, PRIVILEGE, host)
    with transaction.atomic():
        now = Host.objects.get(pk=host.pk)
        if now.error_code != WrongHost.code or not constant_time_compare(uuid, str(now.error_params.get("found"))):
            raise BadParameters(field="uuid")
        taken = Host.objects.filter(libvirt_uuid=uuid, driver=now.driver).exclude(pk=now.pk).exists()
        Host.objects.filter(pk=now.pk).update(
            libvirt_uuid=None if taken else uuid, error_code="", error_details="", error_params={}
        )
        tell("accepted:machine", actor, host, was=str(now.libvirt_uuid), now=uuid)


def leave_alone(actor: Actor, host: Host) -> None:
    """No connection to it until take_up(); what runs there runs on."""
    switch(actor, host, "left-alone:host", left_alone=True)


def take_up(actor: Actor, host: Host) -> None:
    """Connect to it again."""
    switch(actor, host, "taken-up:host", left_alone=False)


def switch(actor: Actor, host: Host, action: str, *, left_alone: bool) -> None:
    require(actor, PRIVILEGE, host)
    with transaction.atomic():
        if Host.objects.filter(pk=host.pk, left_alone=not left_alone).update(left_alone=left_alone):
            tell(action, actor, host)


def remove(actor: Actor, host: Host) -> None:
    """Take it out of the dashboard; its VMs run on, and its row stays for the day when the machine comes back.

    Locked while an operation on it is open. Its secrets are forgotten at once.
    """
    require(actor, PRIVILEGE, host)
    take_out(host, actor=actor)


def take_out(host: Host, *, actor: Actor | None = None, address: str = "") -> None:
    """The same for who needs no right. address: what the audit calls one who is no account."""
    with transaction.atomic():
        refuse_working(host)
        forgotten = {
            "sealed": "", "public_key": "", "host_key": "", "offered_key": "", "certificate": "",
            "error_code": "", "error_details": "", "error_params": {}, "left_alone": False,
        }  # fmt: skip
        removed = Host.objects.filter(pk=host.pk, removed_at=None).update(removed_at=timezone.now(), **forgotten)
        if not removed:
            return
        # Without its lease a watcher that still listens writes nothing more.
        Lease.objects.filter(host=host).delete()
        vanish(host)
        tell("removed:host", actor, host, address=address)


def refuse_working(host: Host) -> None:
    working = Operation.objects.filter(host=host, state__in=OPEN_STATES).order_by("pk").first()
    if working:
        raise held_by(working)


def vanish(host: Host) -> None:
    """Nothing stands on it any more, as far as the dashboard knows; a VM that another host shows too is there now."""
    Placement.objects.filter(host=host, present=True).update(present=False, gone_at=timezone.now())
    elsewhere = Placement.objects.filter(
        vm__placement__host=host, present=True, host__removed_at=None
    ).order_by("-pk")  # fmt: skip
    for placement in elsewhere:
        VirtualMachine.objects.filter(pk=placement.vm_id).update(placement=placement, name=placement.name)


def tell(action: str, actor: Actor | None, host: Host, *, address: str = "", **facts: Any) -> None:
    audit.record(action, actor=actor, target=host, address=address, **facts)
    live.announce([f"host:{host.pk}", "vms:*"])
