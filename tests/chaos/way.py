"""How a worker mirrors a disk: the host copies at a bounded speed and goes on without whoever asked.

It is done when all is there twice; what libvirt says of the block job decides whether it is.
"""

from __future__ import annotations

import time
from typing import Any, Final

import libvirt
from lxml import etree
from lxml.builder import E

import vms.operations as room
from tests.chaos.kind import MIRROR
from vms.models import Operation
from vms.operations.jobs import tell
from vms.operations.way import Facts, Verdict, Way
from vms.operations.work import Work, domain
from vms.virt import Connection, Domain, Job

DISK: Final = "vda"
SIZE: Final = 8 << 20
BYTES_A_SECOND: Final = 2 << 20
LOOK: Final = 0.2


def place(operation: Operation) -> str:
    """Where the copy goes, as the host knows it."""
    return f"/var/lib/libvirt/images/mirror-{operation.pk}.raw"


def mirror(work: Work) -> None:
    vm = work.domain()
    disk = E.disk(E.source(file=place(work.operation)), E.driver(type="raw"), type="file")
    text = etree.tostring(disk, encoding="unicode")
    with vm.guard():
        vm.handle.blockCopy(
            DISK, text, {"bandwidth": BYTES_A_SECOND}, libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
        )  # fmt: skip
    while (told := job(vm)) and told["cur"] != told["end"]:
        work.heard()
        tell(work.operation, Job(done=told["cur"], left=told["end"] - told["cur"]))
        work.may_go_on()
        time.sleep(LOOK)


def job(vm: Domain) -> dict[str, int]:
    """What the host says of its copying, empty where there is none."""
    with vm.guard():
        told: dict[str, int] = vm.handle.blockJobInfo(DISK)
    return told


def facts(connection: Connection, operation: Operation) -> Facts:
    """Where the host mirrors the disk to, and how far it is."""
    vm = domain(connection, operation)
    told: dict[str, Any] = job(vm)
    mirror = etree.fromstring(vm.info().live_xml).find("devices/disk/mirror/source")
    found = None if mirror is None else mirror.get("file")
    return {"wanted": place(operation), "mirror": found, "cur": told.get("cur"), "end": told.get("end")}


def is_mirrored(before: Facts, now: Facts) -> Verdict:
    if now["mirror"] != before["wanted"]:
        return Verdict.UNDONE
    return Verdict.DONE if now["cur"] == now["end"] else Verdict.GOING


def register() -> None:
    """Let this worker know it; before vms.operations.claim reads what is known."""
    room.WAYS[MIRROR.name] = Way(mirror, facts, is_mirrored)
    setattr(room, "KNOWN", (*room.WAYS, *room.TRIALS))  # noqa: B010 - it is Final in the product
