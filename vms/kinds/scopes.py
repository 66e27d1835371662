"""What an API token may be made for: what a role holds, everything that equals no root, or single privileges by name.
Names are stored: none is reused.

A scope only limits: what the token's user does not hold himself it does not give.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vms.kinds.privileges import PRIVILEGES, ROLES, TABLE, role_privileges
from vms.kinds.words import mark

ALL: Final = "all"
BUNDLES: Final = {**ROLES, ALL: mark("whatever its user may, but nothing that equals root on a host")}
SCOPES: Final = (*BUNDLES, *PRIVILEGES)


def bundle(name: str) -> frozenset[str]:
    """What a bundle lets through; nothing that equals root is among it."""
    if name == ALL:
        return frozenset(privilege.name for privilege in TABLE if not privilege.root)
    return role_privileges(name)


def let_through(scopes: Iterable[str]) -> frozenset[str]:
    """The privileges that the scopes let through all together; a name that is none lets nothing through."""
    found: set[str] = set()
    for name in scopes:
        found |= bundle(name) if name in BUNDLES else {name} & PRIVILEGES.keys()
    return frozenset(found)


def covering(privilege: str) -> tuple[str, ...]:
    """The scopes that let the privilege through, each by itself."""
    return tuple(name for name in SCOPES if privilege in let_through([name]))
