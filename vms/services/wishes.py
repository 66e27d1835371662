"""What somebody wishes for, and what it is as a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from vms.errors import BadFields
from vms.kinds.create import NewVm
from vms.libvirtxml import DomainXML, Drive
from vms.models import Image, Network, StoragePool, Volume
from vms.services.placing import Place
from vms.services.seeds import SeedWish
from vms.services.vm_names import NAME

MOST: Final = 100
MOST_CPUS: Final = 512
SMALLEST_MIB: Final = 32
LARGEST_MIB: Final = 16 << 20
MIB: Final = 1 << 20
GIB: Final = 1 << 30


@dataclass(frozen=True)
class DiskWish:
    """A new disk, from an image where one is named, or a volume that is there. size_mib 0: as large as its system or
    its image wants. linked: a layer over the image. packed: an archive's volume out of which it is made, and number:
    which of its disks. template: all disks of that VM, in the place of this one; below, bus: one of these disks, which
    no request names."""

    pool: int | None = None
    size_mib: int = 0
    image: int | None = None
    volume: int | None = None
    linked: bool = False
    packed: int | None = None
    number: int = 0
    template: int | None = None
    below: int | None = None
    bus: str = ""


@dataclass(frozen=True)
class Wish:
    """What somebody asks for. host, pool: None for wherever it fits. size: one that administrators defined, by name or
    number, "" for none; what is said besides wins over it. cpus, memory_mib 0: as its size or its system wants.
    firmware "": likewise; tpm None: likewise. networks None: the first that he may use. install: an ISO's image. pxe:
    it starts from the network. drivers: where its system lacks some, they come on a second CD, if there is one. count:
    so many, "#" in the name being their number. seed: what it is told at its first boot. careful: with disks and cards
    for which every system brings drivers."""

    name: str
    host: int | None = None
    cpus: int = 0
    memory_mib: int = 0
    os: str = ""
    disks: tuple[DiskWish, ...] = ()
    networks: tuple[int, ...] | None = None
    install: int | None = None
    pxe: bool = False
    drivers: bool = True
    firmware: str = ""
    tpm: bool | None = None
    count: int = 1
    start: bool = True
    seed: SeedWish | None = None
    careful: bool = False
    size: int | str = ""


@dataclass(frozen=True)
class Warning:
    """What its maker should know before: a code, and what its sentence needs."""

    code: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A wish that can be fulfilled. wish: with what it left open. pools, volumes, images, networks: what its parameters
    name, by id. takes: of one."""

    wish: Wish
    place: Place
    params: NewVm
    pools: Mapping[int, StoragePool]
    volumes: Mapping[int, Volume]
    images: Mapping[int, Image]
    networks: Mapping[int, Network]
    cds: tuple[Drive, ...]
    takes: Mapping[str, int]


@dataclass(frozen=True)
class Preview:
    """What is told of a plan. document: the definition of the first of them, in which NO_UUID and NO_MAC stand for what
    is given when it is made."""

    plan: Plan
    warnings: tuple[Warning, ...]
    document: DomainXML


def names(name: str, count: int) -> list[str]:
    """What so many are called. Raises BadFields ("name", "count")."""
    if not 1 <= count <= MOST:
        raise BadFields({"count": "vm_count"})
    if count > 1 and name.count("#") != 1:
        raise BadFields({"name": "vm_number"})
    found = [name.replace("#", str(number)) for number in range(1, count + 1)]
    if not all(NAME.fullmatch(one) for one in found):
        raise BadFields({"name": "vm_name"})
    return found


def digest(wish: Wish) -> str:
    return sha256(repr(wish).encode()).hexdigest()
