"""A long copy of a disk by the host, which the product does not offer yet: it stands in for a migration.

Only the processes that tests/chaos/supervisor.py starts know it.
"""

from __future__ import annotations

from typing import Final

from vms.kinds import KINDS, Kind
from vms.kinds.power import RUNS

MIRROR: Final = Kind(
    name="vm.mirror",
    title="Mirror its disk",
    done="mirrored",
    target="vm",
    privileges=("vm.power",),
    queue="slow",
    states=RUNS,
)


def register() -> None:
    """Let this process know it; before the routes are made."""
    KINDS[MIRROR.name] = MIRROR
