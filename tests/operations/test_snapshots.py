"""Snapshots of a VM on a host that exists in this process: who may what, what is asked of the host, what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import make_vm
from tests.fakehost import FakeConnection
from tests.grants import grant
from tests.operations.conftest import Stage, make_pool
from tests.operations.test_volumes import put
from vms.errors import BadFields, HostRefused, NotAllowed, OverQuota, SnapshotRefused
from vms.inventory import placements, row, rows
from vms.inventory import snapshots as inventory
from vms.kinds import snapshots as kinds
from vms.models import (
    Document,
    Operation,
    Placement,
    Quota,
    Snapshot,
    SnapshotPicture,
    StoragePool,
    User,
    Version,
    VirtualMachine,
    Volume,
)
from vms.operations.snapshots import WAYS
from vms.operations.way import Verdict
from vms.permissions import Actor
from vms.services import history, quotas, snapshots

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
MACHINE = (
    "<domain type='kvm'><name>web-01</name><uuid>{uuid}</uuid><memory unit='KiB'>2048</memory><vcpu>2</vcpu>"
    "<os><type>hvm</type></os><devices><disk type='file' device='disk'><driver name='qemu' type='{format}'/>"
    "<source file='/pool/disk'/><target dev='vda' bus='virtio'/></disk>{more}</devices></domain>"
)
HOST_DEVICE = "<serial type='file'><source path='/etc/cron.d/x'/></serial>"


@pytest.fixture
def pool(stage: Stage) -> StoragePool:
    return make_pool(stage.fake, stage.host, 7, "default")


@pytest.fixture
def disk(stage: Stage, pool: StoragePool) -> Volume:
    """The VM's, which its watcher has seen."""
    made = put(stage, pool, "disk", b"x" * 4096, "qcow2")
    made.vms.add(stage.vm)
    stage.host.facts = {"libvirt_version": "9.0.0"}
    stage.host.save()
    define(stage)
    return made


def define(stage: Stage, *, format: str = "qcow2", more: str = "", state: str = "shut_off") -> None:
    stage.set_state(state)
    text = MACHINE.format(uuid=stage.uuid, format=format, more=more)
    told = stage.fake.domains[stage.uuid]
    runs = told.run_id is not None
    stage.fake.domains[stage.uuid] = replace(told, next_boot_xml=text, live_xml=text if runs else "")
    seen(stage)


def seen(stage: Stage) -> None:
    """The watcher stores what its host has."""
    placement = Placement.objects.select_related("vm", "document").get(current_of=stage.vm)
    made = row(stage.fake.domains[stage.uuid], {})
    Document.objects.filter(placement=placement).update(**made.document)
    Placement.objects.filter(pk=placement.pk).update(**made.placement)
    inventory.keep(placement, made.documents.snapshots)
    stage.vm.refresh_from_db()


def taken(stage: Stage, done: Done, name: str, **wish: Any) -> Operation:
    ended = done(snapshots.take(stage.actor, stage.vm, name=name, **wish))
    assert ended.state == "succeeded", (ended.error_code, ended.error_params, ended.details)
    seen(stage)
    return ended


def test_one_is_taken_gone_back_to_and_let_go_of(stage: Stage, disk: Volume, done: Done) -> None:
    ended = taken(stage, done, "first", description="d")
    assert stage.fake.calls == ["snapshot first"] and "snapshot_taken" in [line.code for line in ended.log.all()]
    stored = Snapshot.objects.get()
    assert (stored.name, stored.kind, stored.state, stored.is_current, stored.has_memory) == (
        "first", "internal", "shut_off", True, False,
    )  # fmt: skip
    taken(stage, done, "second")
    [root] = snapshots.tree(stage.vm)
    assert root.snapshot.name == "first" and [one.snapshot.name for one in root.children] == ["second"]
    ended = done(snapshots.revert(stage.actor, stage.vm, "first", keep="now"))
    assert ended.state == "succeeded", (ended.error_code, ended.error_params)
    seen(stage)
    assert stage.fake.calls[-2:] == ["snapshot now", "revert first"]
    assert Snapshot.objects.get(is_current=True).name == "first" and Snapshot.objects.count() == 3
    ended = done(snapshots.delete(stage.actor, stage.vm, "first", children=True))
    assert ended.state == "succeeded"
    seen(stage)
    assert stage.fake.calls[-3:] == ["drop now", "drop second", "drop first"] and not Snapshot.objects.exists()


def test_a_wish_that_makes_no_sense_is_refused_at_once(stage: Stage, disk: Volume, done: Done) -> None:
    for name in ("", "a/b", ".hidden", "-x", "17", "possible", "x" * 81, "a\n", "ends "):
        with pytest.raises(BadFields):
            snapshots.take(stage.actor, stage.vm, name=name)
    taken(stage, done, "2026-11-26 22:15")
    with pytest.raises(BadFields):
        snapshots.take(stage.actor, stage.vm, name="2026-11-26 22:15")
    for text in ("x" * 2001, "a\x00b", "\ud800"):
        with pytest.raises(BadFields):
            snapshots.take(stage.actor, stage.vm, name="b", description=text)
    with pytest.raises(SnapshotRefused) as refused:
        snapshots.take(stage.actor, stage.vm, name="b", memory=True)
    assert refused.value.params["because"] == "memory_off"
    assert not Operation.objects.exclude(state="succeeded").exists()


def test_what_the_host_says_by_then_is_asked_again(stage: Stage, disk: Volume, done: Done) -> None:
    asked = snapshots.take(stage.actor, stage.vm, name="first")
    told = stage.fake.domains[stage.uuid]
    stage.fake.domains[stage.uuid] = replace(told, checkpoints=("c",))
    ended = done(asked)
    assert (ended.state, ended.error_code, ended.error_params["because"]) == (
        "failed",
        "snapshot_refused",
        "checkpoints",
    )
    assert stage.fake.calls == []


def test_layers_lie_beside_the_disk_under_names_of_ours(
    stage: Stage, disk: Volume, pool: StoragePool, done: Done
) -> None:
    stage.fake.after["snapshot over disks"] = lambda: None
    asked = snapshots.take(stage.actor, stage.vm, name="over", kind="external")
    assert asked.params["layers"] == {"vda": [pool.pk, "web-01-vda-layer.qcow2"]}
    assert done(asked).state == "succeeded"
    assert stage.fake.calls[0] == "snapshot over disks"
    [told] = stage.fake.domains[stage.uuid].snapshots
    assert told.told and told.told.disks[0].layer[:2] == ("path", "/pool/web-01-vda-layer.qcow2")
    # Somebody else's file of that name is written to by nobody.
    stage.fake.domains[stage.uuid] = replace(stage.fake.domains[stage.uuid], snapshots=())
    stage.fake.volumes[str(pool.uuid), "web-01-vda-layer.qcow2"] = b"another's"
    ended = done(snapshots.take(stage.actor, stage.vm, name="again", kind="external"))
    assert (ended.state, ended.error_code) == ("failed", "name_taken")


def carol_as(role: str, vm: VirtualMachine) -> Actor:
    carol, _ = User.objects.get_or_create(username="carol")
    grant(carol, role, vm)
    return Actor(carol)


def test_who_may_what(stage: Stage, disk: Volume, done: Done) -> None:
    taken(stage, done, "first")
    operator = carol_as("operator", stage.vm)
    asks: list[Callable[[Actor], Operation]] = [
        lambda who: snapshots.take(who, stage.vm, name="x"),
        lambda who: snapshots.revert(who, stage.vm, "first"),
        lambda who: snapshots.delete(who, stage.vm, "first"),
        lambda who: snapshots.rename(who, stage.vm, "first", description="x"),
    ]
    for ask in asks:
        with pytest.raises(NotAllowed):
            ask(operator)
    editor = carol_as("editor", stage.vm)
    assert done(snapshots.revert(editor, stage.vm, "first")).state == "succeeded"


def test_what_an_administrator_took_away_nobody_else_brings_back(stage: Stage, disk: Volume, done: Done) -> None:
    define(stage, more=HOST_DEVICE)
    taken(stage, done, "dangerous")
    define(stage)
    editor = carol_as("editor", stage.vm)
    with pytest.raises(NotAllowed):
        snapshots.revert(editor, stage.vm, "dangerous")
    # Put there under the name of another, after it was asked for.
    taken(stage, done, "harmless")
    asked = snapshots.revert(editor, stage.vm, "harmless")
    by_name = {one.name: one for one in stage.fake.domains[stage.uuid].snapshots}
    swapped = replace(by_name["harmless"], told=by_name["dangerous"].told)
    stage.fake.domains[stage.uuid] = replace(stage.fake.domains[stage.uuid], snapshots=(by_name["dangerous"], swapped))
    ended = done(asked)
    assert (ended.state, ended.error_code) == ("refused", "needs_more"), ended.error_params
    assert "/etc/cron.d/x" not in stage.fake.domains[stage.uuid].next_boot_xml


def test_a_quota_holds_for_snapshots_their_memory_and_what_comes_back(stage: Stage, disk: Volume, done: Done) -> None:
    carol = User.objects.create(username="payer")
    VirtualMachine.objects.filter(pk=stage.vm.pk).update(charged_user=carol)
    stage.vm.refresh_from_db()
    define(stage, state="running")
    stage.fake.screens[stage.uuid] = b"P6 2 2 255\n" + bytes(12)
    used = quotas.used(carol)
    asked = snapshots.take(stage.actor, stage.vm, name="first", memory=True)
    assert quotas.used(carol)["snapshots"] == 1, "while it is being taken"
    assert done(asked).state == "succeeded"
    seen(stage)
    assert bytes(SnapshotPicture.objects.get().png).startswith(b"\x89PNG"), "what stood on its screen is kept"
    now = quotas.used(carol)
    assert (now["snapshots"], now["disk_bytes"] - used["disk_bytes"]) == (1, 2048 * 1024)
    Quota.objects.create(user=carol, snapshots=1)
    with pytest.raises(OverQuota):
        snapshots.take(stage.actor, stage.vm, name="second", memory=True)
    Quota.objects.update(snapshots=None, vcpus=2)
    Placement.objects.update(vcpus=1)
    snapshots.revert(stage.actor, stage.vm, "first")
    Operation.objects.filter(kind=kinds.REVERT.name).delete()
    Quota.objects.update(vcpus=1)
    with pytest.raises(OverQuota):
        snapshots.revert(stage.actor, stage.vm, "first")


def test_keeping_the_present_needs_room(stage: Stage, disk: Volume, pool: StoragePool, done: Done) -> None:
    taken(stage, done, "first")
    StoragePool.objects.filter(pk=pool.pk).update(available_bytes=1 << 20)
    assert not snapshots.possible(stage.vm).room.enough
    with pytest.raises(SnapshotRefused) as refused:
        snapshots.revert(stage.actor, stage.vm, "first", keep="now")
    assert refused.value.params["because"] == "no_room"
    assert done(snapshots.revert(stage.actor, stage.vm, "first")).state == "succeeded"


def test_the_picture_goes_with_its_snapshot(stage: Stage, disk: Volume, done: Done) -> None:
    taken(stage, done, "first")
    stored = Snapshot.objects.get()
    assert stored.taken_at
    for name in ("first", "other"):
        SnapshotPicture.objects.create(vm=stage.vm, name=name, taken_at=stored.taken_at, png=b"png")
    assert snapshots.picture(stage.vm, stored) == b"png"
    ended = done(snapshots.rename(stage.actor, stage.vm, "first", description="new"))
    assert ended.state == "succeeded" and SnapshotPicture.objects.count() == 2
    stage.fake.domains[stage.uuid] = replace(stage.fake.domains[stage.uuid], snapshots=())
    seen(stage)
    assert [one.name for one in SnapshotPicture.objects.all()] == ["other"]


@pytest.mark.parametrize(
    ("kind", "params", "before", "now", "verdict"),
    [
        ("vm.snapshot", {"name": "a"}, {}, {"names": ["a"]}, Verdict.DONE),
        ("vm.snapshot", {"name": "a"}, {}, {"names": ["a"], "busy": True}, Verdict.GOING),
        ("vm.snapshot", {"name": "a"}, {}, {}, Verdict.UNDONE),
        ("vm.revert-snapshot", {"name": "a"}, {"current": "b"}, {"current": "a"}, Verdict.DONE),
        ("vm.revert-snapshot", {"name": "a"}, {"current": "a"}, {"current": "a"}, Verdict.UNKNOWN),
        ("vm.revert-snapshot", {"name": "a"}, {"current": "a"}, {"current": "a", "run_id": 8}, Verdict.DONE),
        ("vm.revert-snapshot", {"name": "a", "keep": "k"}, {"current": "a"}, {"current": "k", "names": ["k"]},
         Verdict.UNDONE),
        ("vm.revert-snapshot", {"name": "a", "keep": "k"}, {"current": "a"}, {"current": "a", "names": ["k"]},
         Verdict.DONE),
        ("vm.delete-snapshot", {"name": "a"}, {"names": ["a"]}, {"names": ["a"]}, Verdict.UNDONE),
        ("vm.delete-snapshot", {"name": "a"}, {"names": ["a"]}, {"busy": True}, Verdict.GOING),
        ("vm.delete-snapshot", {"name": "a"}, {"names": ["a"]}, {}, Verdict.DONE),
        ("vm.rename-snapshot", {"name": "a", "to": "b", "description": "d"}, {}, {"names": ["b"], "told": "d"},
         Verdict.DONE),
        ("vm.rename-snapshot", {"name": "a", "to": "b", "description": "d"}, {}, {"names": ["a", "b"], "told": "d"},
         Verdict.UNDONE),
    ],
)  # fmt: skip
def test_what_a_dead_worker_left_is_told_by_the_host(
    kind: str, params: dict[str, str], before: dict[str, Any], now: dict[str, Any], verdict: Verdict
) -> None:
    asked = {"wanted": params["name"], "keep": params.get("keep", ""), "to": params.get("to", "")}
    plain: dict[str, Any] = {
        "names": [], "current": "", "busy": False, "run_id": None, "state": "shut_off", "told": None,
        "description": params.get("description", ""), **asked,
    }  # fmt: skip
    assert WAYS[kind].evidence({**plain, **before}, {**plain, **now}) is verdict


def test_what_the_host_refuses_is_said_and_leaves_all(stage: Stage, disk: Volume, done: Done) -> None:
    taken(stage, done, "first")
    stage.fake.fail["drop first"] = HostRefused("no")
    ended = done(snapshots.delete(stage.actor, stage.vm, "first"))
    assert (ended.state, ended.error_code) == ("failed", "host_refused")
    assert [one.name for one in stage.fake.domains[stage.uuid].snapshots] == ["first"]


def test_a_look_that_sees_the_same_writes_nothing(stage: Stage, disk: Volume, done: Done) -> None:
    taken(stage, done, "first")
    placement = placements.known(stage.host, [stage.uuid])
    [there] = placement.values()
    made = row(stage.fake.domains[stage.uuid], {})
    assert not placements.is_news(made, there, rebooted=False)
    [one] = stage.fake.domains[stage.uuid].snapshots
    moved = replace(stage.fake.domains[stage.uuid], snapshots=(replace(one, current=False),))
    assert placements.is_news(row(moved, {}), there, rebooted=False)
    assert rows.snapshots(moved)[0]["is_current"] is False


def test_what_it_left_in_its_pool_is_found_and_what_it_lost(stage: Stage, disk: Volume, pool: StoragePool) -> None:
    left = put(stage, pool, "left-over", b"x", "qcow2")
    Volume.objects.filter(pk=left.pk).update(backing=disk)
    assert [row.pk for row in snapshots.possible(stage.vm, stage.actor).orphans] == [left.pk]
    assert snapshots.possible(stage.vm).orphans == ()
    found = snapshots.possible(stage.vm, stage.actor).plain
    assert [one.code for one in found.refusals] == ["backs"], "a layer lies over it"
    left.delete()
    Volume.objects.filter(pk=disk.pk).update(present=False)
    found = snapshots.possible(stage.vm, stage.actor).plain
    assert [one.code for one in found.refusals] == ["missing"]


def test_going_back_is_a_version_of_its_own(stage: Stage, disk: Volume, done: Done) -> None:
    taken(stage, done, "first")
    define(stage, more="<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>")
    history.keep(stage.vm.pk, stage.host.pk, Document.objects.get().next_boot)
    asked = done(snapshots.revert(stage.actor, stage.vm, "first"))
    assert asked.state == "succeeded", asked.error_params
    assert Version.objects.filter(vm=stage.vm, operation=asked).exists()


def test_a_disk_is_the_same_whatever_it_is_called(stage: Stage, disk: Volume, done: Done) -> None:
    """A run has it by its path, where the next start names its pool."""
    taken(stage, done, "first")
    text = Document.objects.get().next_boot
    for volume, refused in (("disk", []), ("other", ["disk_other"])):
        other = text.replace('file="/pool/disk"', f'pool="default" volume="{volume}"')
        assert other != text
        Document.objects.update(next_boot=other)
        found = snapshots.possible(stage.vm).revert["first"]
        assert [one.code for one in found.refusals] == refused


def test_nothing_of_a_neighbour_is_told(stage: Stage, disk: Volume, done: Done) -> None:
    taken(stage, done, "first")
    other = make_vm(stage.host, "web-02")
    assert snapshots.tree(other) == [] and not snapshots.possible(other).revert
    connection: Any = FakeConnection(stage.fake)
    assert connection.domain(stage.uuid).current_snapshot() == "first"
