"""Operating systems that VMs are made for."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel

from vms.api.answers import answers
from vms.osdata import System
from vms.services import systems

router = Router(tags=["vms"])


class SystemItem(BaseModel):
    """id: what `os` of a new VM takes. family: whose it is; kernel: linux, windows, freebsd... memory_mib, disk_gib:
    what it needs at least. uefi: it is known to start by that; secure_boot, tpm: it does not install without."""

    id: str
    name: str
    family: str
    kernel: str
    memory_mib: int
    disk_gib: int
    uefi: bool
    secure_boot: bool
    tpm: bool


class Systems(BaseModel):
    items: list[SystemItem]
    count: int


def item(system: System) -> SystemItem:
    return SystemItem(
        id=system.id, name=system.name, family=system.family, kernel=system.kernel,
        memory_mib=system.least.memory_mib, disk_gib=system.least.disk_gib, uefi=system.uefi,
        secure_boot=system.secure_boot, tpm=system.tpm,
    )  # fmt: skip


@router.get("", response=answers(200, Systems), summary="The systems that a VM can be made for")
def index(request: HttpRequest) -> Systems:
    """The same that the page offers."""
    found = systems.offered()
    return Systems(items=[item(system) for system in found], count=len(found))
