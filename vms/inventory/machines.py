"""Which machine a host is, by the UUID that its libvirt tells: one machine is one row for each of its drivers.

A machine that is there already is refused before anything of it is read. One that was removed comes back to life: its
row, on which grants, history and placements hang, takes over where and how the new row reaches it; the new row goes.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from django.conf import settings
from django.db import IntegrityError, transaction

from vms import live, virt
from vms.errors import SameMachine, WrongHost
from vms.inventory.terms import LeaseLost, Term, hold
from vms.models import Grant, Happening, Host, Operation
from vms.services import sealing

# What a person enters or accepts when adding a host; sealed is bound to its row and handled by itself.
ENTERED: Final = (
    "name", "transport", "node", "socket", "address", "port", "user", "public_key", "offered_key", "host_key",
    "ca_certificate", "certificate",
)  # fmt: skip


class Machine(Protocol):
    """The part of a connection that is asked here."""

    def uuid(self) -> str: ...


class Returned(LeaseLost):
    """The row of the term is no more: the machine's former row speaks for it from now on."""


def recognise(term: Term, machine: Machine) -> None:
    """Nothing where the machine is the row's own, which remembers it from the first time on.

    Raises SameMachine naming the host that it is already, WrongHost where it is another one than before, or Returned.
    """
    if term.host.libvirt_uuid and not term.host.is_here:
        # The opening has compared it.
        return
    uuid = machine.uuid()
    if not uuid or Host.objects.filter(pk=term.host.pk, libvirt_uuid=uuid).exists():
        return
    try:
        returned = settle(term, uuid)
    except IntegrityError:
        # Another node has just met the same machine under another row.
        returned = settle(term, uuid)
    if returned:
        raise Returned


@transaction.atomic
def settle(term: Term, uuid: str) -> bool:
    """Whether the machine's former row has come back in the term's host's place."""
    hold(term)
    host = Host.objects.get(pk=term.host.pk)
    if host.libvirt_uuid and not host.is_here:
        raise WrongHost(expected=str(host.libvirt_uuid), found=uuid)
    other = Host.objects.filter(libvirt_uuid=uuid, driver=host.driver).first()
    if other and other.removed_at is None:
        raise SameMachine(host=other.name, host_id=other.pk)
    if other and not host.libvirt_uuid:
        bring_back(other, host)
        return True
    if other:
        # Both were this machine; what stands on the row of today stays there.
        Host.objects.filter(pk=other.pk).update(libvirt_uuid=None)
    Host.objects.filter(pk=host.pk).update(libvirt_uuid=uuid)
    return False


def bring_back(former: Host, new: Host) -> None:
    """Let the former row live again as the new one was entered."""
    fields: dict[str, Any] = {name: getattr(new, name) for name in ENTERED}
    if new.sealed:
        secret = virt.unseal(new.sealed, new.sealed_for, str(settings.ENVIRONMENT.key_file))
        fields["sealed"] = sealing.seal(secret, former.sealed_for)
    Happening.objects.filter(host=new).update(host=former)
    Grant.objects.filter(host=new).update(host=former)
    Operation.objects.filter(host=new).update(host=former)
    Operation.objects.filter(target_kind="host", target_id=new.pk).update(target_id=former.pk)
    gone = new.pk
    new.delete()
    Host.objects.filter(pk=former.pk).update(
        **{"sealed": "", **fields}, removed_at=None, left_alone=False, error_code="", error_details="", error_params={}
    )
    Happening.objects.create(host=former, code="host_returned", params={"was": gone})
    live.announce([f"host:{gone}", f"host:{former.pk}", "vms:*"])
