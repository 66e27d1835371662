"""A worker whose hosts exist in this process."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import make_vm
from tests.fakehost import FakeHost, info
from vms import live
from vms.kinds import KINDS, Kind, Params
from vms.models import Host, Network, NetworkFilter, Operation, Placement, StoragePool, VirtualMachine
from vms.operations import connections, evidence, process
from vms.permissions import Actor
from vms.services import operations
from vms.virt import PoolInfo


@dataclass
class Stage:
    """The fake host, its row, and the VM on it."""

    fake: FakeHost
    host: Host
    vm: VirtualMachine
    uuid: str
    actor: Actor

    def ask(self, kind: str, params: Params | None = None) -> Operation:
        chosen: Kind = KINDS[kind]
        target = self.vm if chosen.target == "vm" else self.host
        return operations.request(chosen, target, actor=self.actor, params=params)

    def sync(self) -> None:
        """What a watcher would have stored."""
        seen = self.fake.domains.get(self.uuid)
        placements = Placement.objects.filter(current_of=self.vm)
        if seen is None:
            placements.update(present=False, state="unknown", run_id=None)
        else:
            placements.update(state=seen.state, run_id=seen.run_id)

    def set_state(self, state: str) -> None:
        self.fake.set_state(self.uuid, state)
        self.sync()


@pytest.fixture
def stage(host: Host, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """web-01 is off."""
    fake = FakeHost()
    seen = fake.add(info("web-01"))
    vm = make_vm(host, state="shut_off")
    Placement.objects.filter(current_of=vm).update(uuid=seen.uuid)
    made = Stage(fake, host, vm, seen.uuid, actor)
    monkeypatch.setattr(connections, "open_connection", fake.open)
    monkeypatch.setattr(evidence, "ASK_AGAIN", (0.0, 0.0))

    def look(host: int, name: str) -> bool:
        made.sync()
        return True

    monkeypatch.setattr(live, "look", look)
    return made


def make_pool(
    fake: FakeHost, host: Host, number: int, name: str, *, type: str = "dir", path: str = "/pool"
) -> StoragePool:  # fmt: skip
    """A started pool with room, on the fake host and as its watcher would have stored it."""
    identity = str(uuid.UUID(int=number))
    fake.pools[identity] = PoolInfo(identity, name, type, path, True, False, 1 << 40, 1 << 40)
    return StoragePool.objects.create(
        host=host, uuid=identity, name=name, type=type, path=path, active=True, available_bytes=1 << 40
    )


@pytest.fixture
def pool(stage: Stage) -> StoragePool:
    return make_pool(stage.fake, stage.host, 7, "default")


@pytest.fixture
def network(stage: Stage) -> Network:
    """Started, on a host with the filter for VMs' cards."""
    NetworkFilter.objects.create(host=stage.host, uuid=uuid.UUID(int=9), name="clean-traffic")
    return Network.objects.create(host=stage.host, uuid=uuid.UUID(int=8), name="default", active=True)


@pytest.fixture
def worker(stage: Stage) -> Iterator[process.WorkerProcess]:
    """Signed on; its clocks do not run."""
    made = process.WorkerProcess(node=stage.host.node)
    yield made
    made.pool.shutdown()


@pytest.fixture
def done(worker: process.WorkerProcess) -> Callable[[Operation], Operation]:
    """The operation after this worker has had it."""

    def run(operation: Operation) -> Operation:
        worker.take(operation.pk)
        operation.refresh_from_db()
        return operation

    return run
