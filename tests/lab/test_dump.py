"""The memory of a real guest becomes a volume, or nothing is left."""

from __future__ import annotations

import os
import signal
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard
from tests.lab.test_kills import kill
from tests.lab.test_power_more import codes
from tests.lab.test_volumes import listed, number_of, volume

__all__ = ["number_of"]

MIB = 1 << 20
# Of the lab's guests, and what stands beside it in a dump: a graphics card's.
MEMORY, BESIDE = 128 * MIB, 64 * MIB
ELF = b"\x7fELF\x02\x01"
CORE = 4
LIMIT = """
from vms.models import Quota, User
Quota.objects.create(user=User.objects.filter(is_administrator=True)[0], disk_bytes=1)
"""


@pytest.fixture(scope="module")
def pool(lab_host: LabHost) -> Iterator[LabPool]:
    with folder_pool(lab_host) as there:
        yield there


@contextmanager
def creeping(guest: LabGuest) -> Iterator[None]:
    """Its QEMU works a moment now and then, so that a dump takes seconds."""
    word, over = f"guest={guest.name},".encode(), threading.Event()
    pid = next(pid for pid in guest.host.programs() if word in Path(f"/proc/{pid}/cmdline").read_bytes())

    def creep() -> None:
        while not over.wait(0.003):
            os.kill(pid, signal.SIGSTOP)
            over.wait(0.06)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=creep)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def dump(dashboard: Dashboard, vm: int, pool: int) -> int:
    answer = dashboard.post(f"/vms/{vm}/dump", {"pool": pool})
    assert answer.status == 202, answer
    return int(answer.body["operation"]["id"])


def test_a_guests_memory_becomes_a_volume(dashboard: Dashboard, guests: Guests, pool: LabPool, number_of: int) -> None:
    guest = guests.make("dumped", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    ended = dashboard.await_operation(dump(dashboard, vm, number_of))
    assert "dumped" in codes(ended)
    [name] = [name for name in listed(dashboard, number_of) if name.startswith("dumped-memory-")]
    told = volume(dashboard, number_of, name)
    data = (pool.folder / name).read_bytes()
    assert (data[:6], struct.unpack_from("<H", data, 16)) == (ELF, (CORE,))
    assert b"Linux version " in data, "the guest's kernel tells its name"
    assert MEMORY <= len(data) <= MEMORY + BESIDE
    assert (told["capacity_bytes"], told["format"]) == (len(data), "raw")
    guest.wait_for_count()
    assert len(guest.boots()) == 1
    answer = dashboard.request("DELETE", f"/api/v1/volumes/{told['id']}")
    dashboard.await_operation(answer.body["operation"]["id"])
    assert pool.names() == []


def test_a_dump_that_is_cancelled_or_whose_worker_dies_leaves_nothing(
    dashboard: Dashboard, guests: Guests, pool: LabPool, number_of: int
) -> None:
    guest = guests.make("not-dumped", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    with creeping(guest):
        operation = dump(dashboard, vm, number_of)
        eventually(lambda: dashboard.operation(operation)["progress"], "its progress is told")
        assert dashboard.post(f"/operations/{operation}/cancel").status == 202
        eventually(lambda: "ends_late" in codes(dashboard.operation(operation)), "it is said when it ends")
    dashboard.await_operation(operation, "cancelled", within=60)
    assert (pool.names(), listed(dashboard, number_of)) == ([], {})
    guest.wait_for_count()

    with creeping(guest):
        operation = dump(dashboard, vm, number_of)
        eventually(lambda: dashboard.operation(operation)["progress"], "its progress is told")
        kill(dashboard, "worker")
    told = dashboard.await_operation(operation, "failed", within=60)
    assert told["error"]["code"] == "worker_died"
    assert (pool.names(), listed(dashboard, number_of)) == ([], {})
    guest.wait_for_count()
    assert len(guest.boots()) == 1


def test_where_others_write_nothing_is_dumped(
    dashboard: Dashboard, guests: Guests, pool: LabPool, number_of: int
) -> None:
    guest = guests.make("kept-back", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    pool.folder.chmod(0o777)
    told = dashboard.await_operation(dump(dashboard, vm, number_of), "failed")
    assert (told["error"]["code"], pool.names()) == ("folder_open", [])
    pool.folder.chmod(0o711)
    dashboard.do(LIMIT)
    refused = dashboard.post(f"/vms/{vm}/dump", {"pool": number_of})
    dashboard.do("from vms.models import Quota; Quota.objects.all().delete()")
    assert refused.body["code"] == "over_quota"
