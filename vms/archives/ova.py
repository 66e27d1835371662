"""An OVA: what describes the VM in it, and the files with its disks, held against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vms.archives.reading import LARGEST, Read, exactly
from vms.archives.sums import Sum, read_sums
from vms.archives.tar import Member, list_members
from vms.errors import RefusedArchive
from vms.headers import ENOUGH, capacity, judge
from vms.libvirtxml import BadXML, PackedVm, read_ovf

# What becomes a disk here.
FORMATS: Final = ("raw", "qcow2", "vmdk")


@dataclass(frozen=True)
class Source:
    """Where a disk's bytes lie: so many from there on. size_bytes: of the disk. sum: that of these bytes, None where
    nobody says one. A disk that was empty has no bytes."""

    file: str
    format: str
    size_bytes: int
    offset: int = 0
    length: int = 0
    sum: Sum | None = None


@dataclass(frozen=True)
class Ova:
    """vm: as it is described; disks: in the order in which it names them."""

    vm: PackedVm
    disks: tuple[Source, ...]


def read_ova(read: Read, size: int) -> Ova:
    """What is in an archive of so many bytes, by its beginnings alone: no disk is read whole here.

    Raises RefusedImage for a disk that is none that is served, RefusedArchive as list_members, read_sums and read_ovf
    (by its codes) and: no_ovf, several; elsewhere for a file that is not there; twice where two disks are one file;
    size where a file or a disk is larger than the description says; disk_kind; checksum of the description.
    """
    members = {member.name: member for member in list_members(read, size)}
    described = one(members, ".ovf")
    if described is None:
        raise RefusedArchive(reason="no_ovf")
    listed = one(members, ".mf")
    sums = read_sums(small(read, listed)) if listed else {}
    text = small(read, described)
    if not set(sums) <= set(members):
        raise RefusedArchive(reason="elsewhere")
    if described.name in sums and not is_sum(text, sums[described.name]):
        raise RefusedArchive(reason="checksum")
    try:
        vm = read_ovf(text.decode())
    except UnicodeDecodeError:
        raise RefusedArchive(reason="bad_ovf") from None
    except BadXML as bad:
        raise RefusedArchive(reason=str(bad)) from None
    files = [disk.file for disk in vm.disks if disk.file]
    if len(set(files)) != len(files):
        raise RefusedArchive(reason="twice")
    found = []
    for disk in vm.disks:
        if not disk.file:
            found.append(Source("", "", disk.capacity_bytes))
            continue
        member = members.get(disk.file)
        if member is None:
            raise RefusedArchive(reason="elsewhere")
        if disk.file_bytes not in (0, member.size):
            raise RefusedArchive(reason="size")
        format, inside = told(read, member)
        if inside > disk.capacity_bytes:
            raise RefusedArchive(reason="size")
        found.append(Source(member.name, format, inside, member.offset, member.size, sums.get(member.name)))
    return Ova(vm, tuple(found))


def one(members: Mapping[str, Member], ending: str) -> Member | None:
    """The file with that ending; RefusedArchive: several."""
    found = [member for name, member in members.items() if name.lower().endswith(ending)]
    if len(found) > 1:
        raise RefusedArchive(reason="several")
    return found[0] if found else None


def small(read: Read, member: Member) -> bytes:
    """All of a file that is no disk."""
    if member.size > LARGEST:
        raise RefusedArchive(reason="bad_ovf")
    return exactly(read, member.offset, member.size)


def is_sum(data: bytes, wanted: Sum) -> bool:
    return hashlib.new(wanted[0], data, usedforsecurity=False).hexdigest() == wanted[1]


def told(read: Read, member: Member) -> tuple[str, int]:
    """(format, bytes of the disk)."""
    first = exactly(read, member.offset, min(member.size, ENOUGH))
    format = judge(first, size=member.size)
    if format not in FORMATS or not member.size:
        raise RefusedArchive(reason="disk_kind")
    return format, capacity(first, size=member.size)
