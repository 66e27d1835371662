"""What may be done with what others keep in a pool: a right on a pool is none on what lies in it (THREAT_MODEL.md)."""

from __future__ import annotations

from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404

from vms.errors import NotAllowed, VolumeProtected
from vms.kinds.base import Deed
from vms.models import TemplateVolume, Volume
from vms.permissions.reach import Scope
from vms.permissions.visible import pools_in, reaches, vms_in
from vms.permissions.who import Who, account, in_scope

# What is needed on each VM that uses the volume.
NEEDS: Final[dict[Deed, str]] = {"see": "vm.view", "attach": "vm.disk", "copy": "vm.copy", "delete": "vm.delete"}
ANY: Final = "volume.any"
# What nobody may do with a template's disk.
CHANGING: Final = ("attach", "delete")

Use = Volume.vms.through


def visible_volumes(who: Who, deed: Deed = "see") -> QuerySet[Volume]:
    """The volumes that he may see (or attach, copy, which is also to download, or delete): where VMs use it, by his
    rights on all of these; where none does, what is his own; and all in pools in which he may do anything."""
    of_vms, of_pools = reaches(who, NEEDS[deed], ANY)
    return volumes_in(who, of_vms, of_pools, deed)


def volumes_in(who: Who, of_vms: Scope, of_pools: Scope, deed: Deed) -> QuerySet[Volume]:
    """The same, for who holds what the deed needs on such VMs, and may do anything in such pools."""
    user = account(who)
    if user is None:
        return Volume.objects.none()
    uses = Use.objects.filter(volume=OuterRef("pk"))
    by_vms = Exists(uses) & ~Exists(uses.exclude(virtualmachine__in=vms_in(of_vms).order_by().values("pk")))
    # What is one's own needs no right, but it needs a token that is meant for it.
    by_owner = Q(owner=user) & ~Exists(uses) if NEEDS[deed] in in_scope(who) else Q(pk__in=[])
    # Not even an administrator reads a VM's secrets here; with his VM whoever may delete that deletes it.
    his = Volume.objects.filter(private=False)
    if deed in CHANGING:
        # Whoever writes to it poisons all that lies over it; it goes with its template alone.
        his = his.filter(~Exists(protecting().filter(volume=OuterRef("pk"))))
    return his.filter(Q(storage__in=pools_in(of_pools).values("storage")) | Q(by_vms) | Q(by_owner))


def protecting() -> QuerySet[TemplateVolume]:
    """The rows that protect a volume: of templates which their host still has."""
    return TemplateVolume.objects.filter(
        depth=0, template__vm__deleted_at=None, template__vm__placement__present=True
    )  # fmt: skip


def get_volume_or_404(who: Who, pk: int, *, to: Deed = "see") -> Volume:
    """The volume; 404 when it does not exist or may not be seen, NotAllowed when it may be seen but not this."""
    volume = visible_volumes(who).filter(pk=pk).first()
    if volume is None:
        raise Http404
    require_deed(who, to, volume)
    return volume


def require_deed(who: Who, deed: Deed, volume: Volume) -> None:
    """Nothing, or NotAllowed names what is missing on a VM that uses it, VolumeProtected tells a template's."""
    if deed in CHANGING and protecting().filter(volume=volume).exists() and visible_volumes(who).contains(volume):
        raise VolumeProtected(privilege=NEEDS[deed], name=volume.name)
    if not visible_volumes(who, deed).filter(pk=volume.pk).exists():
        raise NotAllowed(privilege=NEEDS[deed])
