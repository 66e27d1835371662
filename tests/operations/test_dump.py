"""The memory of a VM becomes a volume, on a host which exists in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakehost import MEMORY
from tests.operations.conftest import Stage, make_pool
from vms.errors import BadFields, HostRefused, HostUnreachable, WrongState
from vms.models import Operation, OperationState, Placement, Reservation, StoragePool, Volume
from vms.operations import dump as operations
from vms.services import dump
from vms.virt import Job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]


@pytest.fixture(autouse=True)
def running(stage: Stage) -> None:
    stage.set_state("running")


def ask(stage: Stage, pool: StoragePool) -> Operation:
    return dump.ask(stage.actor, stage.vm, pool.pk)


def placement_of(stage: Stage) -> Placement:
    return Placement.objects.get(current_of=stage.vm)


def left(stage: Stage) -> tuple[int, int]:
    """How much is there of volumes and rows."""
    return len(stage.fake.volumes), Volume.objects.count()


def test_it_is_a_volume_of_who_asked(stage: Stage, pool: StoragePool, done: Done) -> None:
    asked = ask(stage, pool)
    assert Reservation.objects.get(operation=asked).amount == dump.size(placement_of(stage))
    ended = done(asked)
    assert ended.state == "succeeded", (ended.error_code, ended.details)
    row = Volume.objects.get()
    assert (row.state, row.format, row.owner, row.capacity_bytes) == ("ready", "raw", stage.actor.user, len(MEMORY))
    assert row.name.startswith("web-01-memory-") and row.name.endswith(".core") and not row.vms.exists()


def test_where_others_write_it_goes_only_where_an_administrator_says_so(
    stage: Stage, pool: StoragePool, done: Done
) -> None:
    stage.fake.open_folders.add(str(pool.uuid))
    assert (done(ask(stage, pool)).error_code, left(stage)) == ("folder_open", (0, 0))
    share = make_pool(stage.fake, stage.host, 8, "share", type="netfs", path="/share")
    assert dump.pools(stage.actor, stage.vm) == [pool]
    share.storage.trusted = True
    share.storage.save()
    assert {one.pk for one in dump.pools(stage.actor, stage.vm)} == {pool.pk, share.pk}
    stage.fake.open_folders.add(str(share.uuid))
    assert done(ask(stage, share)).state == "succeeded"


def test_what_fails_or_is_cancelled_leaves_nothing(stage: Stage, pool: StoragePool, done: Done) -> None:
    asked = ask(stage, pool)
    path = f"/pool/{asked.params['name']}"
    stage.fake.fail[f"dump {path}"] = HostRefused("no space")
    assert (done(asked).error_code, left(stage)) == ("host_refused", (0, 0))

    stage.fake.fail.clear()
    asked = ask(stage, pool)
    path = f"/pool/{asked.params['name']}"

    def cancel() -> None:
        Operation.objects.filter(pk=asked.pk).update(state=OperationState.CANCELLING, cancel_requested=True)

    stage.fake.after[f"dump {path}"] = cancel
    assert (done(asked).state, left(stage)) == ("cancelled", (0, 0))


def test_of_what_nobody_saw_the_end_nothing_is_left_when_the_host_is_through(
    stage: Stage, pool: StoragePool, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(stage, pool)
    stage.fake.fail[f"dump /pool/{asked.params['name']}"] = HostUnreachable("gone")
    stage.fake.jobs[stage.uuid] = Job(1, 2)
    seen: list[tuple[int, int]] = []

    def through(seconds: float) -> None:
        if seconds:
            seen.append(left(stage))
            stage.fake.jobs.clear()

    monkeypatch.setattr("vms.operations.run.time.sleep", through)
    ended = done(asked)
    assert seen == [(1, 1)], "while the host is at it, nothing is taken away"
    assert (ended.error_code, left(stage)) == ("host_unreachable", (0, 0))
    assert operations.is_dumped({"there": False}, {"busy": True, "there": True, "ready": False}).value == "going"


def test_it_is_refused_where_there_is_no_memory_or_no_room(stage: Stage, pool: StoragePool) -> None:
    StoragePool.objects.update(available_bytes=dump.size(placement_of(stage)) - 1)
    with pytest.raises(BadFields) as bad:
        ask(stage, pool)
    assert bad.value.errors == {"pool": "dump_room"}
    with pytest.raises(BadFields):
        dump.ask(stage.actor, stage.vm, pool.pk + 1)
    for state in ("shut_off", "saved"):
        stage.set_state(state)
        stage.vm.refresh_from_db()
        with pytest.raises(WrongState):
            ask(stage, pool)
