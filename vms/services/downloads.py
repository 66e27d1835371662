"""Volumes that go out as files: which may, and to whom."""

from __future__ import annotations

from vms.errors import NotServed
from vms.models import Volume
from vms.permissions import Actor, get_volume_or_404
from vms.services import audit

# What libvirt calls a volume that is bytes; links, devices, fifos and folders are listed and not served.
SERVED = ("file", "block", "network")


def find(actor: Actor, pk: int) -> Volume:
    """The volume, for who may copy it. Raises Http404, NotAllowed, NotServed."""
    volume = get_volume_or_404(actor, pk, to="copy")
    if not is_served(volume):
        raise NotServed(name=volume.name)
    return volume


def is_served(volume: Volume) -> bool:
    return volume.state == Volume.State.READY and volume.kind in SERVED and volume.present


def address(volume: Volume) -> str:
    """Where the transfer process hands it out."""
    return f"/transfer/volumes/{volume.pk}"


def tell(actor: Actor, volume: Volume, size: int, begin: int) -> None:
    """Somebody takes its bytes away."""
    audit.record("downloaded:volume", actor=actor, target=volume, size_bytes=size, begin=begin)
