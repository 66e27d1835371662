"""The definition of a VM that is to be made, on the host where it will be."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import uuid4

from vms.kinds.create import NewVm
from vms.libvirtxml import FIRMWARES, Card, DomainXML, Drive, Firmware, Machine, Wanted, compose, new_mac
from vms.models import (
    Host,
    Placement,
    StoragePool,
    Volume,
)
from vms.services import systems, volumes
from vms.services.reaching import closed_place


def machine(host: Host) -> Machine:
    """What a definition takes from that host."""
    hardware, arch = host.hardware, str(host.facts.get("arch") or "x86_64")
    pc = arch in ("x86_64", "i686")
    machines = hardware.get("machines") or []
    wanted = "q35" if pc else "virt"
    known = not machines or wanted in machines
    return Machine(
        kvm=host.facts.get("domain_type") == "kvm",
        arch=arch,
        machine=wanted if known else str(hardware.get("default_machine") or wanted),
        listen=closed_place(host),
    )


def definition(
    params: NewVm, host: Host, *, name: str, uuid: str, drives: list[Drive], cards: list[Card]
) -> DomainXML:  # fmt: skip
    """The document of a VM with these parameters on that host."""
    firmware: Firmware = next(one for one in FIRMWARES if one == params.firmware)
    guest = systems.needs(params.os, drivers=params.drivers).guest
    wanted = Wanted(
        name=name,
        uuid=uuid,
        vcpus=params.cpus,
        memory_kib=params.memory_mib * 1024,
        guest=replace(guest, virtio_disk=False, virtio_net=False) if params.careful else guest,
        firmware=firmware,
        drives=tuple(drives),
        cards=tuple(cards),
        boot=tuple(params.boot),
        tpm=params.tpm,
    )
    there = machine(host)
    return compose(wanted, replace(there, machine=params.machine) if params.machine else there)


def clean_name(text: str) -> str:
    """A VM's name made of what others call one."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:60] or "vm"


def free_mac() -> str:
    """One of the range that no VM has which is known."""
    while Placement.objects.filter(search__contains=(mac := new_mac())).exists():
        pass
    return mac


def disk_name(pool: StoragePool, name: str, number: int, format: str) -> str:
    """What the disk of a VM is called: after it, and as nothing in the pool is called."""
    return free_name(pool, name if number == 0 else f"{name}-{number + 1}", format)


def seed_name(pool: StoragePool, name: str) -> str:
    """What the disc with the answers for a VM's first boot is called."""
    return free_name(pool, f"{name}-seed", "iso")


def free_name(pool: StoragePool, plain: str, format: str) -> str:
    ending = f".{format}" if pool.type in volumes.FILES else ""
    taken = set(Volume.objects.filter(storage=pool.storage_id, name__startswith=plain).values_list("name", flat=True))
    candidates = (f"{plain}{'' if again == 0 else f'.{again}'}{ending}" for again in range(1000))
    return next((one for one in candidates if one not in taken), f"{plain}-{uuid4().hex[:8]}{ending}")
