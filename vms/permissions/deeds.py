"""Whether somebody may ask for an operation: its kind's privileges on its target, and of a volume the deed."""

from __future__ import annotations

from vms.kinds.base import Kind
from vms.models import Volume
from vms.permissions.ask import Thing, require_all
from vms.permissions.volumes import require_deed
from vms.permissions.who import Who


def require_for(who: Who, kind: Kind, target: Thing, *, fresh: bool = True) -> None:
    """Nothing, or NotAllowed names what is missing, NotFresh where it equals root and the session's sign-in is old.
    fresh: whether that matters."""
    require_all(who, kind.privileges, target, fresh=fresh)
    if kind.deed and isinstance(target, Volume):
        require_deed(who, kind.deed, target)
