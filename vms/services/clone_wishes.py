"""What is asked for of a clone, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Literal

from vms.kinds.clone import NewClone
from vms.libvirtxml import (
    DomainXML,
)
from vms.models import (
    Host,
    Network,
    Snapshot,
    StoragePool,
    VirtualMachine,
)  # fmt: skip
from vms.services.wishes import Warning

# copy: bytes of its own. linked: a layer over the source's, which is frozen by that. share: the same volume. none: it
# goes, of a drive what is in it.
How = Literal["copy", "linked", "share", "none"]


@dataclass(frozen=True)
class DiskChoice:
    """pool: where a copy or a layer goes, None for where it fits."""

    how: How
    pool: int | None = None


@dataclass(frozen=True)
class CloneWish:
    """What somebody asks for. host, pool: None for where the source and each of its disks is. disks: by target; what is
    not named is as it is proposed. networks: for each card a network, 0 for none, None for as it is proposed; () for
    all as they are proposed. count: so many, "#" in the name being their number. snapshot: the name of the one of the
    source that it is to be made after, "" for what that is now."""

    name: str
    host: int | None = None
    pool: int | None = None
    disks: Mapping[str, DiskChoice] = field(default_factory=dict)
    networks: tuple[int | None, ...] = ()
    start: bool = False
    count: int = 1
    snapshot: str = ""


@dataclass(frozen=True)
class ClonePlan:
    """A wish that can be fulfilled; of several the first. snapshot: the one of the source that it is made after. pools,
    networks: what its parameters name, by id. takes: of a quota, each; document: its definition, in which NO_UUID and
    NO_MAC stand for what is given when it is made."""

    source: VirtualMachine
    host: Host
    params: NewClone
    pools: Mapping[int, StoragePool]
    networks: Mapping[int, Network]
    takes: Mapping[str, int]
    warnings: tuple[Warning, ...]
    document: DomainXML
    snapshot: Snapshot | None = None


def digest(vm: VirtualMachine, wish: CloneWish) -> str:
    return sha256(repr((vm.pk, sorted(wish.disks.items()), replace(wish, disks={}))).encode()).hexdigest()
