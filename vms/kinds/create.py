"""Making VMs."""

from __future__ import annotations

from dataclasses import dataclass, field

from vms.kinds.base import Kind, Params
from vms.kinds.words import mark

# What an owner may put into a definition; the privilege to delete undoes it.
OWNERS = ("vm.label", "vm.cpu_memory", "vm.boot", "vm.media", "vm.disk", "vm.nic", "vm.device", "vm.power", "vm.delete")


@dataclass(frozen=True)
class NewVm(Params):
    """os: what it installs, "" for unknown. disks: each {"volume": id} of one that is there, or {"pool": id, "name",
    "size_bytes", "format", "image": id or 0, "linked": bool}, and where it comes out of another volume "packed": its
    id, and "number" of the disk in that. careful: its disks and cards are such as every system brings drivers for. cds:
    images by id, the first is what it installs from. drivers: the second has drivers that its system lacks. networks:
    by id. boot: what it starts from, the first that can. start: whether it is to run then. seed: {} for none, else
    {"pool": id, "name", "keep", "told": what may be shown of the answers, which are the secret "seed"}. asked: a digest
    of what was asked for. template: the VM that it is an instance of, 0 for none; its disks then name by "below" the
    template's volume that they are a copy of or lie over, and by "bus" where that was. machine: "" for the host's
    best."""

    os: str
    cpus: int
    memory_mib: int
    firmware: str
    tpm: bool
    disks: list  # type: ignore[type-arg]
    cds: list  # type: ignore[type-arg]
    networks: list  # type: ignore[type-arg]
    boot: list  # type: ignore[type-arg]
    start: bool
    seed: dict = field(default_factory=dict)  # type: ignore[type-arg]
    asked: str = ""
    careful: bool = False
    drivers: bool = False
    template: int = 0
    machine: str = ""


CREATE = Kind(
    name="vm.create",
    title=mark("Create"),
    done=mark("created"),
    target="vm",
    privileges=OWNERS,
    params=NewVm,
    queue="slow",
    cancellable=True,
    silence_seconds=240,
    takes=frozenset({"vms", "vcpus", "memory_kib", "disk_bytes"}),
    apart=True,
    makes=True,
    secrets=frozenset({"seed"}),
)

KINDS = (CREATE,)
