"""Making VMs after others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from vms.kinds.base import Kind
from vms.kinds.create import CREATE, OWNERS, NewVm
from vms.kinds.words import mark

# What whoever clones a VM must hold on it.
SOURCE = "vm.copy"


@dataclass(frozen=True)
class NewClone(NewVm):
    """source: the VM's id. disks: as of a new VM, each with its "target", the name in the definition; of a new one
    "of", the volume that it is made after. media: what is in its drives, {"target", "volume": id or 0}. cards: for each
    of the source's {"network": id}, {"keep": true} for one that stays but for its MAC, {} for one that goes. told: its
    drives with what was in them, how many cards, and when the snapshot was taken, as whoever asked has seen them.
    running: its disks are copied while it runs. snapshot: the name of the one of the source that it is made after, ""
    for what that is now. more: privileges on the source, beyond an owner's, that the definition needs."""

    source: int = 0
    media: list = field(default_factory=list)  # type: ignore[type-arg]
    cards: list = field(default_factory=list)  # type: ignore[type-arg]
    told: dict = field(default_factory=dict)  # type: ignore[type-arg]
    running: bool = False
    snapshot: str = ""
    more: list = field(default_factory=list)  # type: ignore[type-arg]

    @property
    def together(self) -> frozenset[str]:
        """Until its disks are copied nobody starts the source, changes it, takes it away or grows what is copied."""
        return frozenset([f"vm:{self.source}", *(f"volume:{disk['of']}" for disk in self.disks if "of" in disk)])


CLONE = replace(
    CREATE,
    name="vm.clone",
    title=mark("Clone"),
    done=mark("cloned"),
    privileges=(*OWNERS, "vm.describe"),
    params=NewClone,
    secrets=frozenset(),
)

KINDS: tuple[Kind, ...] = (CLONE,)
