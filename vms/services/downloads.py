"""Volumes that go out as files: which may, and to whom."""

from __future__ import annotations

from vms.errors import NotServed
from vms.models import Volume
from vms.permissions import Actor, get_volume_or_404
from vms.services import audit
from vms.services.volumes import require_known

# What libvirt calls a volume that is bytes.
SERVED = ("file", "block", "network")


def find(actor: Actor, pk: int) -> Volume:
    """The volume, for who may copy it. Raises Http404, NotAllowed, NotServed, VolumeFound, VolumeSwapped."""
    volume = get_volume_or_404(actor, pk, to="copy")
    if not is_served(volume):
        raise NotServed(name=volume.name)
    require_known(volume)
    return volume


def is_served(volume: Volume) -> bool:
    return volume.state == Volume.State.READY and volume.kind in SERVED and volume.present


def may_link(volume: Volume) -> bool:
    """Whether find() would hand it out, to who may copy it."""
    return is_served(volume) and not volume.is_found and not volume.is_swapped


def address(volume: Volume) -> str:
    """Where the transfer process hands it out."""
    return f"/transfer/volumes/{volume.pk}"


def tell(actor: Actor, volume: Volume, size: int, begin: int) -> None:
    """Somebody takes its bytes away."""
    audit.record("downloaded:volume", actor=actor, target=volume, size_bytes=size, begin=begin)
