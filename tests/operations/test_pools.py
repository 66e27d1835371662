"""Storage pools and secrets on a host that exists in this process: what is done, what is undone, what is told."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.operations.conftest import Stage
from vms.errors import HostRefused, NotAllowed, PoolInUse, PoolShared, PoolTaken
from vms.kinds import KINDS, Autostart, Params
from vms.kinds.pools import Definition, Deletion, Search
from vms.kinds.secrets import Identity, Purpose
from vms.libvirtxml import made_pool, read_spec, secret_name
from vms.models import Host, Operation, OperationLock, StoragePool, User, Volume
from vms.operations import pools as ways
from vms.permissions import Actor
from vms.services import operations, pools, secrets
from vms.virt import PoolInfo, SecretInfo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
DIR = {"type": "dir", "name": "fast", "path": "/srv/fast"}
SAN = {
    "type": "iscsi-direct", "name": "san", "server": "san", "target": "iqn.2026-01.example:vms",
    "initiator": "iqn.2026-01.example:host-a", "user": "kvm",
}  # fmt: skip


def define(stage: Stage, spec: dict[str, Any], secret: dict[str, str] | None = None, **more: Any) -> Operation:
    params = Definition(spec, **more)
    return operations.request(KINDS["pool.define"], stage.host, actor=stage.actor, params=params, secrets=secret or {})


@pytest.fixture
def pool(stage: Stage) -> StoragePool:
    """A folder that is started."""
    made = StoragePool.objects.create(host=stage.host, uuid=uuid.uuid4(), name="fast", type="dir", active=True)
    info = PoolInfo(str(made.uuid), "fast", "dir", "/srv", True, False, 100, 50)
    stage.fake.pools[info.uuid] = info
    return made


def ask(stage: Stage, pool: StoragePool, verb: str, params: Params | None = None) -> Operation:
    return operations.request(KINDS[f"pool.{verb}"], pool, actor=stage.actor, params=params)


def test_a_pool_is_defined_built_started_and_set_to_start_with_its_host(stage: Stage, done: Done) -> None:
    operation = done(define(stage, DIR))
    assert (operation.state, operation.error_code) == ("succeeded", "")
    assert stage.fake.calls == ["define", "build anew False", "start pool", "autostart True"]
    [made] = stage.fake.pools.values()
    assert made.document == made_pool(read_spec(DIR))
    assert [line.code for line in operation.log.all()] == ["claimed", "pool_made", "seen"]


def test_what_is_on_a_device_is_only_made_where_that_was_asked(stage: Stage, done: Done) -> None:
    disk = {"type": "disk", "name": "whole", "device": "/dev/sdb"}
    assert done(define(stage, disk, autostart=False)).state == "succeeded"
    assert done(define(stage, {**disk, "name": "anew"}, build=True, autostart=False)).state == "succeeded"
    assert stage.fake.calls == ["define", "start pool", "define", "build anew True", "start pool"]


@pytest.mark.parametrize("step", ["define", "start pool", "autostart True", "build anew False"])
def test_a_step_that_fails_leaves_neither_pool_nor_secret(stage: Stage, done: Done, step: str) -> None:
    stage.fake.fail[step] = HostRefused("no")
    spec, secret = (DIR, {}) if step.startswith("build") else (SAN, {"chap_password": "hunter2"})
    operation = done(define(stage, spec, secret))
    assert (operation.state, operation.error_code, operation.details) == ("failed", "host_refused", "no")
    assert not stage.fake.secrets
    # What the fake has "defined" before it failed is not the way's to take back.
    assert not stage.fake.pools or step == "define"


def test_the_secret_is_kept_first_and_stands_in_no_row(stage: Stage, done: Done) -> None:
    operation = define(stage, SAN, {"chap_password": "hunter2"})
    assert "hunter2" not in str(Operation.objects.values_list().get(pk=operation.pk))
    assert done(operation).state == "succeeded"
    assert stage.fake.calls[0] == f"secret iscsi {secret_name('san')} hunter2"
    assert operation.sealed == "" and [secret.usage for secret in stage.fake.secrets.values()] == ["iscsi"]


def test_a_name_that_is_taken_and_a_type_without_driver_are_refused(
    stage: Stage, done: Done, pool: StoragePool
) -> None:
    assert done(define(stage, DIR)).error_code == "pool_taken"
    stage.fake.pool_types = ("dir",)
    operation = done(define(stage, SAN, {"chap_password": "hunter2"}))
    assert (operation.error_code, operation.error_params) == ("no_pool_driver", {"type": "iscsi-direct"})
    assert stage.fake.calls == []


def test_a_path_of_the_system_is_judged_once_more_where_it_is_made(stage: Stage, done: Done) -> None:
    spec = {**DIR, "path": "/etc/cron.d"}
    assert done(define(stage, spec)).error_code == "bad_fields"
    assert stage.fake.calls == []
    assert done(define(stage, spec, confirmed="/etc/cron.d")).state == "succeeded"


@pytest.mark.parametrize(
    ("verb", "params", "call", "active"),
    [
        ("start", None, "start pool", False),
        ("stop", None, "stop pool", True),
        ("refresh", None, "refresh pool", True),
        ("autostart", Autostart(True), "autostart True", True),
    ],
)
def test_it_is_done_once_and_seen(
    stage: Stage, done: Done, pool: StoragePool, verb: str, params: Params | None, call: str, active: bool
) -> None:
    stage.fake.pools[str(pool.uuid)] = replace(stage.fake.pools[str(pool.uuid)], active=active)
    operation = done(ask(stage, pool, verb, params))
    assert (operation.state, stage.fake.calls) == ("succeeded", [call])
    assert not OperationLock.objects.exists()
    pool.refresh_from_db()
    assert bool(pool.refreshed_at) == (verb == "refresh")


@pytest.mark.parametrize(
    ("verb", "params", "call"),
    [
        ("stop", None, "stop pool"),
        ("autostart", Autostart(True), "autostart True"),
        ("delete", Deletion(False), "undefine"),
    ],
)
def test_a_yes_without_its_effect_is_none(
    stage: Stage, done: Done, pool: StoragePool, verb: str, params: Params | None, call: str
) -> None:
    stage.fake.deaf |= {call, "stop pool"}
    assert done(ask(stage, pool, verb, params)).state == "failed"


def test_a_pool_is_forgotten_with_what_is_in_it_kept_or_deleted(stage: Stage, done: Done, pool: StoragePool) -> None:
    stage.fake.volumes |= {(str(pool.uuid), name): b"" for name in ("a", "b")}
    made = SecretInfo(str(uuid.uuid4()), "iscsi", secret_name("fast"), True)
    stage.fake.secrets = {made.uuid: made, "other": SecretInfo("other", "ceph", "client.admin", True)}
    before = dict(stage.fake.pools)
    assert done(pools.delete(stage.actor, pool, wipe=False)).state == "succeeded"
    assert stage.fake.calls == ["stop pool", "undefine"]
    assert set(stage.fake.secrets) == {"other"}
    stage.fake.calls.clear()
    stage.fake.pools = before
    operation = done(pools.delete(stage.actor, pool, wipe=True))
    assert operation.state == "succeeded"
    assert stage.fake.calls == ["delete a", "delete b", "stop pool", "undefine"]
    assert "volumes_deleted" in [line.code for line in operation.log.all()]


def test_nothing_is_deleted_while_a_vm_of_the_host_has_any_of_it(stage: Stage, done: Done, pool: StoragePool) -> None:
    stage.fake.volumes |= {(str(pool.uuid), name): b"" for name in ("a", "b")}
    seen = stage.fake.domains[stage.uuid]
    disk = "<devices><disk><source file='/srv/b'/></disk>"
    stage.fake.domains[stage.uuid] = replace(seen, next_boot_xml=seen.next_boot_xml.replace("<devices>", disk))
    operation = done(pools.delete(stage.actor, pool, wipe=True))
    assert (operation.state, operation.error_code) == ("failed", "pool_in_use")
    assert operation.error_params == {"name": "fast", "vm": "web-01"}
    assert stage.fake.calls == []


def test_what_the_rows_say_is_used_is_refused_before_anything_is_asked(stage: Stage, pool: StoragePool) -> None:
    volume = Volume.objects.create(storage=pool.storage, name="a")
    elsewhere = StoragePool.objects.create(host=stage.host, uuid=uuid.uuid4(), name="slow")
    layer = Volume.objects.create(storage=elsewhere.storage, name="layer", backing=volume)
    with pytest.raises(PoolInUse):
        pools.delete(stage.actor, pool, wipe=True)
    layer.delete()
    volume.vms.add(stage.vm)
    with pytest.raises(PoolInUse):
        pools.delete(stage.actor, pool, wipe=True)
    volume.vms.clear()
    other = Host.objects.create(name="host-b")
    shared = StoragePool.objects.create(host=other, uuid=uuid.uuid4(), name="same", storage=pool.storage)
    with pytest.raises(PoolShared):
        pools.delete(stage.actor, pool, wipe=True)
    StoragePool.objects.filter(pk=shared.pk).update(present=False)
    operation = pools.delete(stage.actor, pool, wipe=True)
    assert set(operation.locks.values_list("key", flat=True)) == {f"pool:{pool.pk}", f"volume:{volume.pk}"}


def test_who_is_no_administrator_makes_no_pool(stage: Stage, mallory: User, pool: StoragePool) -> None:
    attempts: tuple[Callable[[], object], ...] = (
        lambda: pools.define(Actor(mallory), stage.host, DIR, {}),
        lambda: pools.delete(Actor(mallory), pool, wipe=False),
        lambda: pools.search(Actor(mallory), stage.host, {"type": "logical"}),
        lambda: secrets.set_value(Actor(mallory), stage.host, {"usage": "ceph", "name": "a", "value": "b"}),
        lambda: secrets.delete(Actor(mallory), stage.host, "x"),
    )
    for do in attempts:
        with pytest.raises(NotAllowed):
            do()
    with pytest.raises(PoolTaken):
        pools.define(stage.actor, stage.host, DIR, {})


def test_what_a_host_finds_is_kept_for_the_form(stage: Stage, done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "connect", stage.fake.connect)
    stage.fake.sources = [{"server": "nas", "export": "/vms", "group": "no field of this form"}]
    operation = operations.request(
        KINDS["pool.discover"], stage.host, actor=stage.actor, params=Search("netfs", "nas")
    )  # fmt: skip
    operation = done(operation)
    assert (operation.state, stage.fake.calls) == ("succeeded", ["sources netfs nas"])
    assert pools.found_sources(operation, "netfs") == [{"server": "nas", "export": "/vms"}]


def test_a_secret_is_set_replaced_and_forgotten(stage: Stage, done: Done) -> None:
    def put(value: str) -> Operation:
        return done(secrets.set_value(stage.actor, stage.host, {"usage": "ceph", "name": "admin", "value": value}))

    first = put("one")
    assert first.state == "succeeded" and first.params == Purpose("ceph", "admin").to_json()
    assert [line.code for line in first.log.all()][-1] == "seen"
    # Nobody can see whether a value is another by now: it is never read.
    second = put("two")
    assert second.state == "succeeded" and [line.code for line in second.log.all()][-1] == "taken"
    assert stage.fake.calls == ["secret ceph admin one", "secret ceph admin two"]
    [known] = stage.fake.secrets
    text = f"<pool><source><auth><secret uuid='{known}'/></auth></source></pool>"
    pool = StoragePool.objects.create(host=stage.host, uuid=uuid.uuid4(), name="ceph", document=text)
    refused = done(secrets.delete(stage.actor, stage.host, known))
    assert (refused.error_code, refused.error_params) == ("secret_in_use", {"name": "ceph"})
    StoragePool.objects.filter(pk=pool.pk).update(present=False)
    gone = done(operations.request(KINDS["secret.delete"], stage.host, actor=stage.actor, params=Identity(known)))
    assert gone.state == "succeeded" and not stage.fake.secrets
