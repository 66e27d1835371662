"""Where a VM is said to be that was to move, and what is done about it, by what its two hosts say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.utils import timezone

from tests.conftest import make_vm
from tests.fakehost import info
from vms.errors import BadFields, InvalidState, MigrationRefused, NotAllowed, PastReturn, VirtError, WrongState
from vms.inventory.identity import left_elsewhere, settle
from vms.kinds.migration import MIGRATE, Migrate
from vms.models import Host, MoveRoute, Operation, Placement, User
from vms.operations import migration_verdict
from vms.operations.migration_verdict import Seen, across, look
from vms.operations.move_following import Following
from vms.operations.way import Verdict
from vms.operations.work import Work
from vms.permissions import Actor
from vms.services import migration, operations
from vms.services.telling import as_told, lines_told
from vms.virt import Domain, DomainInfo, Job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
HERE = "here"


@dataclass
class Domains:
    """What is done to the VM, host by host."""

    done: list[str] = field(default_factory=list)

    @contextmanager
    def lend(self, host: Host) -> Iterator[Any]:
        yield Connection(self, host.name)


@dataclass
class Connection:
    domains: Domains
    host: str

    def domain(self, uuid: str) -> Connection:
        return self

    def moved(self) -> None:
        return None

    def __getattr__(self, verb: str) -> Any:
        return lambda *_, **__: self.domains.done.append(f"{verb} {self.host}")


@pytest.fixture
def stranger(db: None) -> User:
    return User.objects.create_user("stranger")


@pytest.fixture
def there(host: Host) -> Host:
    return Host.objects.create(name="there", node=host.node, transport="unix", socket="/there")


@pytest.fixture
def asked(host: Host, there: Host, actor: Actor) -> Operation:
    Host.objects.filter(pk=host.pk).update(name=HERE)
    vm = make_vm(host)
    made = operations.request(MIGRATE, vm, actor=actor, params=Migrate(there.pk), takes={"disk_bytes": 0})
    made.before = {"uuid": str(vm.placements.get().uuid), "name": "web-01", "state": "running", "autostart": True}
    made.save()
    made.host = Host.objects.get(pk=host.pk)
    return made


def told(state: str, reason: str = "", *, persistent: bool = True, run: int | None = 3) -> DomainInfo:
    return replace(info("web-01"), state=state, state_reason=reason, persistent=persistent, run_id=run)


RUNS = Seen(info=told("running"))
OFF = Seen(info=told("shut_off", run=None))
HALF = Seen(info=told("paused", "migration", persistent=False))
LEFT = Seen(info=told("paused", "migration"))
TORN = Seen(info=told("running", "postcopy_failed"))
STANDS = Seen(info=told("paused", "postcopy_failed"))
NONE = Seen()
SILENT = Seen(silent=True)
MOVES = Seen(info=told("running"), job=Job(1, 2))

CASES = [
    # Here, there, the verdict, and what is done.
    (NONE, RUNS, Verdict.DONE, ["start_with_host there"]),
    (LEFT, RUNS, Verdict.DONE, ["force_off here", "forget here", "start_with_host there"]),
    (OFF, RUNS, Verdict.DONE, ["forget here", "start_with_host there"]),
    (RUNS, RUNS, Verdict.UNKNOWN, []),
    (LEFT, OFF, Verdict.UNKNOWN, []),
    (SILENT, RUNS, Verdict.UNKNOWN, []),
    # A part of its memory has not come.
    (OFF, TORN, Verdict.UNKNOWN, []),
    (OFF, STANDS, Verdict.UNKNOWN, []),
    (STANDS, TORN, Verdict.UNKNOWN, []),
    (RUNS, NONE, Verdict.UNDONE, ["start_with_host here"]),
    (RUNS, SILENT, Verdict.UNDONE, ["start_with_host here"]),
    (LEFT, NONE, Verdict.UNDONE, ["resume here", "start_with_host here"]),
    # Never while the other one has it, or does not say.
    (LEFT, SILENT, Verdict.UNKNOWN, []),
    (LEFT, HALF, Verdict.UNKNOWN, []),
    (SILENT, NONE, Verdict.UNKNOWN, []),
    (SILENT, SILENT, Verdict.UNKNOWN, []),
    (NONE, NONE, Verdict.UNKNOWN, []),
    (RUNS, HALF, Verdict.UNKNOWN, []),
    (MOVES, HALF, Verdict.GOING, []),
    (OFF, NONE, Verdict.UNDONE, ["start_with_host here"]),
]


@pytest.mark.parametrize(("here", "other", "verdict", "done"), CASES)
def test_it_is_where_both_hosts_say(
    asked: Operation, monkeypatch: pytest.MonkeyPatch, here: Seen, other: Seen, verdict: Verdict, done: list[str]
) -> None:
    domains = Domains()
    monkeypatch.setattr(migration_verdict, "GOES", 0.0)
    monkeypatch.setattr(migration_verdict, "look", lambda lend, host, operation: here if host.name == HERE else other)
    assert across(asked, domains.lend) is verdict
    assert domains.done == done


def test_how_long_it_has_been_running_is_counted_from_before_the_move(
    asked: Operation, there: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked.vm is not None
    began = timezone.now() - timedelta(days=3)
    asked.before["since"] = began.isoformat()
    uuid = asked.before["uuid"]
    made = Placement.objects.create(
        vm=asked.vm, host=there, uuid=uuid, name="web-01", state="running", run_id=1, state_since=timezone.now()
    )
    monkeypatch.setattr(migration_verdict, "look", lambda lend, host, operation: NONE if host.name == HERE else RUNS)
    assert across(asked, Domains().lend) is Verdict.DONE
    made.refresh_from_db()
    assert made.state_since == began


def test_a_target_that_does_not_tell_how_far_it_is_is_not_silent(asked: Operation, there: Host) -> None:
    class Coming:
        def domain(self, uuid: str) -> Coming:
            return self

        def info(self) -> DomainInfo:
            return told("paused", "migration", persistent=False)

        def job(self) -> Job:
            raise VirtError("migration statistics are available only on the source host")

    @contextmanager
    def lend(host: Host) -> Iterator[Any]:
        yield Coming()

    assert look(lend, there, asked).is_coming
    assert asked.host
    assert look(lend, asked.host, asked).silent


def test_what_ran_there_before_all_had_come_is_not_let_run_on_here(
    asked: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains = Domains()
    asked.result = {"postcopy": True}
    monkeypatch.setattr(migration_verdict, "look", lambda lend, host, operation: LEFT if host.name == HERE else NONE)
    assert across(asked, domains.lend) is Verdict.UNKNOWN
    assert not domains.done


def test_nobody_ends_what_runs_there_already(asked: Operation, actor: Actor) -> None:
    Operation.objects.filter(pk=asked.pk).update(state="running", result={"postcopy": True})
    asked.refresh_from_db()
    with pytest.raises(PastReturn):
        operations.cancel(asked, actor=actor)


def test_what_cannot_be_is_refused_before_anything_is_asked(host: Host, there: Host, actor: Actor) -> None:
    vm = make_vm(host)
    with pytest.raises(MigrationRefused):
        migration.ask(actor, vm, host, Migrate(host.pk))
    with pytest.raises(WrongState):
        migration.ask(actor, vm, there, Migrate(there.pk, mode="offline"))
    with pytest.raises(BadFields):
        migration.ask(actor, vm, there, Migrate(there.pk, mode="sideways"))
    MoveRoute.objects.create(source=host, target=there, way="clear")
    with pytest.raises(MigrationRefused, match="migration_refused"):
        migration.ask(actor, vm, there, Migrate(there.pk, copy_storage=True, pool=1))
    Host.objects.filter(pk=there.pk).update(driver="test")
    with pytest.raises(MigrationRefused):
        migration.ask(actor, vm, Host.objects.get(pk=there.pk), Migrate(there.pk))


def test_it_needs_the_right_on_both(host: Host, there: Host, stranger: User) -> None:
    vm = make_vm(host)
    with pytest.raises(NotAllowed):
        migration.ask(Actor(stranger), vm, there, Migrate(there.pk))


def test_where_it_goes_is_told_to_who_sees_that_host(asked: Operation, stranger: User) -> None:
    asked.log.create(code="migrates", params={"host": "there", "way": "tls"})
    [seen] = as_told(stranger, [Operation.objects.get(pk=asked.pk)])
    assert "there" not in str([line.params for line in lines_told(seen, seen.log.all())])
    assert seen.params["host"] == 0


def test_its_uuid_on_the_other_host_is_the_same_vm_while_it_moves(asked: Operation, there: Host) -> None:
    uuid = asked.before["uuid"]
    stranger = Host.objects.create(name="stranger", node=there.node, transport="unix", socket="/stranger")
    assert left_elsewhere(there, [uuid]) == {uuid: asked.vm}
    assert left_elsewhere(stranger, [uuid]) == {}
    Operation.objects.filter(pk=asked.pk).update(state="failed")
    assert left_elsewhere(there, [uuid]) == {}


def test_what_has_come_half_does_not_count_while_it_runs_where_it_was(asked: Operation, there: Host) -> None:
    vm = asked.vm
    assert vm is not None
    uuid = asked.before["uuid"]
    Placement.objects.filter(vm=vm).update(state="paused")
    Placement.objects.create(vm=vm, host=there, uuid=uuid, name="web-01", state="paused", persistent=False, run_id=1)
    settle(vm)
    assert vm.placement and vm.placement.host_id == asked.host_id
    Placement.objects.filter(vm=vm, host=there).update(state="running", persistent=True)
    settle(vm)
    assert vm.placement.host_id == there.pk


def test_what_libvirt_does_not_take_yet_when_the_time_is_over_is_tried_again(asked: Operation) -> None:
    """The target is made ready still."""
    wish = Migrate(asked.params["host"], postcopy=True, timeout_s=1, on_timeout="postcopy")
    work = cast(Work, SimpleNamespace(operation=asked, log=lambda code, **_: None))
    following, begun = Following(work, "", wish, "there", since=0.0), list[bool]()

    class Early:
        def begin_postcopy(self) -> None:
            begun.append(bool(asked.result["postcopy"]))
            if len(begun) == 1:
                raise InvalidState("post-copy can only be started while outgoing migration is in progress")

    there = cast(Domain, Early())
    with pytest.raises(InvalidState):
        following.look(there, Job(0, 0))
    assert (following.late, following.postcopy, asked.result["postcopy"]) == (False, False, False)
    following.look(there, Job(1, 2))
    assert (following.late, following.postcopy, asked.result["postcopy"], begun) == (True, True, True, [True, True])
