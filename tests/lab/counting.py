"""Guests that count, second by second, on their serial lines and their disks, so that what is lost is seen."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import libvirt
from lxml import etree
from lxml.builder import E

from tests.lab.guests import LabGuest, domain_type
from tests.lab.machine import eventually
from tests.lab.moves import Pair, pool_ids, shared_pool
from tests.lab.pools import folder_pool
from tests.lab.stack import Dashboard
from tests.lab.test_serial import command as command_in
from tests.lab.test_serial import opened

COUNT = (
    b"i=0; while :; do i=$((i+1)); echo $i | dd of=/dev/vda bs=512 seek=$i conv=sync,fsync,notrunc 2>/dev/null; "
    b"echo n $i > /dev/ttyS0; sleep 1; done &\r"
)
# QEMU before 9.0 forgets what an emulated guest writes to its memory in a move of several passes, where that memory is
# a multiple of 256 KiB, and libvirt gives whole MiB (docs/decisions/0154).
KIB = 131080
OPTIONS = (
    "-object", f"memory-backend-ram,id=kept,size={KIB}K", "-machine", "memory-backend=kept", "-m", f"{KIB}K",
)  # fmt: skip
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"


@dataclass
class Counter:
    """A guest that counts, each second, on its serial line and its disk. folder: where that is."""

    pair: Pair
    guest: LabGuest
    vm: int
    folder: Path
    name: str

    def said(self) -> list[int]:
        """What it counted aloud."""
        return [int(line.split()[1]) for line in self.guest.lines() if re.fullmatch(r"n \d+\r?", line)]

    def written(self) -> list[int]:
        """What it counted on its disk, a sector for each."""
        found = (self.folder / self.name).read_bytes()
        words = (found[at : at + 512].split(b"\n")[0].decode() for at in range(512, 1 << 20, 512))
        return [int(word) for word in takewhile(bool, (word.strip("\0") for word in words))]

    def counted_on(self) -> None:
        """It counts on, has counted every number, and has each on its disk."""
        last = self.said()[-1]
        eventually(lambda: self.said()[-1] >= last + 2, "it counts on", within=30)
        said = self.said()
        assert said == list(range(1, said[-1] + 1)), said
        written = self.written()
        assert written == list(range(1, written[-1] + 1)) and written[-1] >= last, (written, last)

    def remove(self) -> None:
        # The last is the one on which it was made: the others go before.
        for host in reversed(self.pair.hosts):
            self.guest.host = host
            self.guest.remove()


def counter(pair: Pair, name: str, pool: str, folder: Path) -> Counter:
    """A new one, with a raw disk in that pool of the first host, which starts it with itself."""
    made = at_rest(pair, name, pool, folder)
    made.guest.start()
    pair.dashboard.await_state(made.vm, "running")
    with opened(made.guest) as line:
        command_in(line, COUNT)
        eventually(made.said, "it counts", within=30)
    await_known(made, pool)
    return made


def at_rest(pair: Pair, name: str, pool: str, folder: Path) -> Counter:
    """The same, which is off and has not counted yet."""
    connection = pair.here.connect()
    volume = f"{name}.raw"
    document = E.volume(E.name(volume), E.capacity(str(8 << 20)), E.target(E.format(type="raw")))
    connection.storagePoolLookupByName(pool).createXML(etree.tostring(document, encoding="unicode"))
    with (folder / volume).open("r+b") as file:
        file.seek(1 << 20)
        file.write(os.urandom(6 << 20))
    # Known before the VM is, it is the VM's as soon as that is read.
    eventually(lambda: pool_ids(pair.dashboard, pool), "the pool is known")
    refresh(pair.dashboard, pool)
    made = pair.guests.make(name, shell=True)
    disk = E.disk(
        E.driver(name="qemu", type="raw"), E.source(pool=pool, volume=volume), E.target(dev="vda", bus="virtio"),
        type="volume", device="disk",
    )  # fmt: skip
    document = etree.fromstring(made.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    next(document.iterfind("devices")).append(disk)
    if domain_type() == "qemu":
        options = etree.SubElement(document, f"{{{QEMU}}}commandline")
        for word in OPTIONS:
            etree.SubElement(options, f"{{{QEMU}}}arg", value=word)
    # An event tells of a definition, none of a disk that is attached to it.
    connection.defineXML(etree.tostring(document, encoding="unicode"))
    made.domain.setAutostart(1)
    return Counter(pair, made, pair.dashboard.vm(made.uuid), folder, volume)


@contextmanager
def shared_counter(pair: Pair, name: str) -> Iterator[Counter]:
    """Its disk is on storage that all hosts have."""
    with shared_pool(pair) as (pool, folder):
        made = counter(pair.before or pair, name, pool, folder)
        if pair.before:
            pair.before.moved(made.vm, pair.here)
            made.pair = pair
        yield made
        made.remove()


@contextmanager
def own_counter(pair: Pair, name: str) -> Iterator[Counter]:
    """Its disk is in a pool that no other host has. Where it came by the pair before, with its disk, what that was
    copied from is there still, and nothing else."""
    with ExitStack() as stack:
        pool = stack.enter_context(folder_pool(pair.here))
        if pair.before:
            made = stack.enter_context(own_counter(pair.before, name))
            pair.before.moved(made.vm, pair.here, copy_storage=True, pool=pair.pools(pool.name)[pool.name])
            made.pair, made.folder = pair, pool.folder
        else:
            made = counter(pair, name, pool.name, pool.folder)
        yield made
        assert len(pool.names()) == 1
        made.remove()


def await_known(counter: Counter, pool: str) -> None:
    eventually(lambda: is_known(counter.pair.dashboard, pool, counter.vm), "its volume is known", within=60, every=2)


def is_known(dashboard: Dashboard, pool: str, vm: int) -> bool:
    """Whether the dashboard knows what its disk is on; else the pools of that name are looked through."""
    if dashboard.query("select 1 from vms_volume_vms where virtualmachine_id = ?", vm):
        return True
    refresh(dashboard, pool)
    return False


def refresh(dashboard: Dashboard, pool: str) -> None:
    """Look through the pools of that name."""
    for pk in pool_ids(dashboard, pool):
        refreshed = dashboard.post(f"/pools/{pk}/refresh")
        dashboard.await_operation(refreshed.body["operation"]["id"])
