"""What comes in beside the pages: work that a worker claims, console tickets and open consoles, names that go out."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from tests.grants import Thing, grant
from vms import tasks
from vms.errors import NotAllowed, TicketRefused
from vms.kinds import KINDS
from vms.kinds.privileges import PRIVILEGES
from vms.models import (
    ApiToken,
    Console,
    Grant,
    Host,
    Network,
    Operation,
    StoragePool,
    Tag,
    User,
    VirtualMachine,
    Volume,
)
from vms.operations.claim import check_rights
from vms.permissions import Actor, visible_names
from vms.permissions.volumes import ANY, NEEDS
from vms.services import consoles, tokens
from vms.services.freshness import placed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

TABLE: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parents[1] / "data" / "access.toml").read_text())
ROLES = ("viewer", "operator", "editor", "owner")
LADDER = (*ROLES, "administrator")


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


@pytest.fixture
def neighbour(host: Host) -> VirtualMachine:
    return make_vm(host, "neighbour")


# Where a kind is asked for, whose route is not named like it.
ROUTES = {
    "vm.trash": "vms/<int:pk>/delete/",
    # On the VM, which its maker owns, and what it is told by whoever may change its disks.
    "vm.create": "vms/<int:pk>/delete/",
    "vm.import": "vms/<int:pk>/delete/",
    "archive.read": "volumes/<int:pk>/archive/",
    "vm.clone": "vms/<int:pk>/delete/",
    "vm.define-new": "hosts/<int:pk>/define/",
    "vm.edit-xml": "vms/<int:pk>/xml/edit/",
    "vm.return": "vms/<int:pk>/history/<int:number>/restore/",
    "vm.drop-seed": "vms/<int:pk>/boot-cd/",
    "vm.cloud-init": "vms/<int:pk>/boot-cd/",
    "vm.shape": "vms/<int:pk>/hardware/",
    "vm.agent-freeze": "vms/<int:pk>/agent/freeze/",
    "vm.agent-thaw": "vms/<int:pk>/agent/thaw/",
    "vm.agent-time": "vms/<int:pk>/agent/time/",
    "vm.agent-password": "vms/<int:pk>/agent/password/",
    "vm.agent-keys": "vms/<int:pk>/agent/ssh-keys/",
    "host.evacuate": "hosts/<int:pk>/maintenance/",
    "host.bring-back": "hosts/<int:pk>/maintenance/",
    "host.plan": "plans/",
    "host.run-plan": "plans/<int:pk>/",
    "vm.move-disk": "vms/<int:pk>/move-disk/",
    "vm.add-disk": "vms/<int:pk>/hardware/",
    "vm.snapshot": "api/v1/vms/<int:vm_id>/snapshots/possible",
    "vm.rename-snapshot": "api/v1/vms/<int:vm_id>/snapshots/possible",
    "vm.revert-snapshot": "api/v1/vms/<int:vm_id>/snapshots/<name>/revert",
    "vm.delete-snapshot": "api/v1/vms/<int:vm_id>/snapshots/<name>/revert",
    "vm.flatten": "api/v1/vms/<int:vm_id>/flatten",
    "vm.put-back": "trash/<int:pk>/put-back/",
    "vm.untemplate": "templates/<int:pk>/vm/",
    "pool.define": "pools/add/",
    "pool.discover": "pools/find/",
    "volume.create": "pools/<int:pk>/volumes/add/",
    "secret.set": "hosts/<int:pk>/secrets/",
    "secret.delete": "hosts/<int:pk>/secrets/<uuid:uuid>/delete/",
    "network.define": "networks/add/",
    "filter.define": "hosts/<int:pk>/filters/",
    "filter.delete": "hosts/<int:pk>/filters/<uuid:uuid>/delete/",
    # Into a pool, whatever it is that comes.
    "volume.upload": "pools/<int:pk>/upload/",
    "image.fetch": "pools/<int:pk>/upload/",
    "image.copy": "pools/<int:pk>/upload/",
    # By the rights on the VM that uses it.
    "image.check": "volumes/<int:pk>/clone/",
}


def lowest(kind: str) -> str:
    """The first role that may ask for the kind, by the row of its route."""
    noun, verb = kind.split(".")
    return str(TABLE[ROUTES.get(kind) or f"{noun}s/<int:pk>/{verb}/"]["from"])


def two_of(target: str, host: Host) -> tuple[Thing | Volume, Thing | Volume]:
    """A thing of that sort, and one beside it."""
    if target == "vm":
        return make_vm(host), make_vm(host, "neighbour")
    if target == "pool":
        first, second = (StoragePool(host=host, uuid=UUID(int=number), name="x") for number in (1, 2))
        first.save()
        second.save()
        return first, second
    if target == "network":
        nets = [Network.objects.create(host=host, uuid=UUID(int=number), name="x") for number in (1, 2)]
        return nets[0], nets[1]
    if target == "volume":
        return make_volume(host, 1), make_volume(host, 2)
    return host, Host.objects.create(name="b", node="node-a")


def make_volume(host: Host, number: int) -> Volume:
    """One that a VM of its own uses, on which its rights hang."""
    pool = StoragePool.objects.create(host=host, uuid=UUID(int=number), name="x")
    volume = Volume.objects.create(storage=pool.storage, name="x", format="raw")
    volume.vms.add(make_vm(host, f"user-{number}"))
    return volume


def giving(thing: Thing | Volume) -> Thing:
    """What a grant is given on, to have rights on the thing."""
    return thing.vms.get() if isinstance(thing, Volume) else thing


def needed(kind: str) -> tuple[str, ...]:
    """The privileges for which the kind asks."""
    asked = KINDS[kind]
    return asked.privileges + ((NEEDS[asked.deed],) if asked.deed else ())


def operation(kind: str, user: User | None, thing: Thing | Volume, token: ApiToken | None = None) -> Operation:
    used = giving(thing)
    host = used if isinstance(used, Host) else placed(used).host if isinstance(used, VirtualMachine) else used.host
    target = KINDS[kind].target
    return Operation.objects.create(
        kind=kind, actor_user=user, actor_name="carol", actor_token=token, target_kind=target, target_id=thing.pk,
        target_name="x", host=host, node="node-a", queue="quick", state="running",
        **({} if target == "host" else {target: thing}),
    )  # fmt: skip


def may_run(kind: str, user: User | None, thing: Thing | Volume, token: ApiToken | None = None) -> bool:
    """Whether the worker would do it."""
    try:
        check_rights(operation(kind, user, thing, token))
    except NotAllowed:
        return False
    return True


def test_a_worker_takes_nothing_but_rows_of_operations() -> None:
    assert tasks.__file__
    tree = ast.parse(Path(tasks.__file__).read_text())
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["run_operation"]


@pytest.mark.parametrize("kind", KINDS)
def test_work_runs_with_the_rights_of_its_actor_when_it_runs(kind: str, carol: User, alice: User, host: Host) -> None:
    thing, beside = two_of(KINDS[kind].target, host)
    assert may_run(kind, alice, thing)
    assert not may_run(kind, carol, thing)
    assert not may_run(kind, None, thing)
    for role in ROLES:
        given = grant(carol, role, giving(beside))
        assert not may_run(kind, carol, thing), f"{role} next door"
        given.delete()
        given = grant(carol, role, giving(thing))
        assert may_run(kind, carol, thing) == (LADDER.index(role) >= LADDER.index(lowest(kind))), role
        User.objects.filter(pk=carol.pk).update(is_active=False)
        assert not may_run(kind, carol, thing), f"{role} and switched off"
        User.objects.filter(pk=carol.pk).update(is_active=True)
        given.delete()
    token, _ = tokens.create(alice, scopes=needed(kind))
    assert may_run(kind, alice, thing, token)
    # With volume.any one may do all with what lies in a pool, whatever uses it.
    lacking, _ = tokens.create(alice, scopes=set(PRIVILEGES) - {needed(kind)[0], ANY})
    assert not may_run(kind, alice, thing, lacking)
    ApiToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
    assert not may_run(kind, alice, thing, token)


def take_grant(carol: User, vm: VirtualMachine) -> None:
    Grant.objects.filter(user=carol).delete()


def take_tag(carol: User, vm: VirtualMachine) -> None:
    Tag.objects.filter(vm=vm).delete()


def let_it_end(carol: User, vm: VirtualMachine) -> None:
    Grant.objects.filter(user=carol).update(ends_at=timezone.now())


def lower_it(carol: User, vm: VirtualMachine) -> None:
    given = Grant.objects.get(user=carol)
    given.delete()
    grant(carol, "viewer", tag="red")


@pytest.mark.parametrize(("mode", "lowest"), [("view", "operator"), ("drive", "operator")])
def test_a_console_needs_its_right_when_it_is_asked_for_opened_and_as_long_as_it_is_open(
    mode: str, lowest: str, carol: User, vm: VirtualMachine, neighbour: VirtualMachine
) -> None:
    browser = sign_in(carol)
    actor = Actor(carol, session_key=browser.session.session_key or "")
    for role in ROLES:
        for thing in (vm, neighbour):
            grant(carol, role, thing)
            may = thing == vm and LADDER.index(role) >= LADDER.index(lowest)
            if not may:
                before = Console.objects.count()
                with pytest.raises(NotAllowed):
                    consoles.issue(actor, vm, mode=mode)
                assert Console.objects.count() == before
            else:
                console, ticket = consoles.issue(actor, vm, mode=mode)
                opened = consoles.redeem(
                    ticket, vm=vm.pk, session_key=actor.session_key, has_origin=True, relay="relay"
                )
                assert consoles.no_longer_allowed(Console.objects.filter(pk=opened.pk)) == {}
                _, late = consoles.issue(actor, vm, mode=mode)
                Grant.objects.all().delete()
                assert consoles.no_longer_allowed(Console.objects.filter(pk=console.pk)) == {console.pk: "right_gone"}
                with pytest.raises(TicketRefused, match="ticket_refused"):
                    consoles.redeem(late, vm=vm.pk, session_key=actor.session_key, has_origin=True, relay="relay")
            Grant.objects.all().delete()


@pytest.mark.parametrize("take", [take_grant, take_tag, let_it_end, lower_it])
def test_an_open_console_ends_however_the_right_goes(
    take: Callable[[User, VirtualMachine], None], carol: User, vm: VirtualMachine
) -> None:
    Tag.objects.create(vm=vm, name="red")
    grant(carol, "operator", tag="red")
    browser = sign_in(carol)
    console = Console.objects.create(
        user=carol, vm=vm, session_key=browser.session.session_key or "", opened_at=timezone.now(), relay="relay"
    )
    assert Session.objects.exists()
    assert consoles.no_longer_allowed(consoles.of_relay("relay")) == {}
    take(carol, vm)
    assert consoles.no_longer_allowed(consoles.of_relay("relay")) == {console.pk: "right_gone"}


def test_who_may_open_a_console_is_one_query_for_all(
    carol: User, alice: User, host: Host, django_assert_num_queries: Any
) -> None:
    grant(carol, "operator", prefix="web-0")
    for number in range(20):
        vm = make_vm(host, f"web-{number:02}")
        for user in (carol, alice):
            session = sign_in(user).session.session_key or ""
            Console.objects.create(user=user, vm=vm, session_key=session, opened_at=timezone.now(), relay="relay")
    with django_assert_num_queries(1):
        ended = consoles.no_longer_allowed(consoles.of_relay("relay"))
    names = Console.objects.filter(pk__in=ended).values_list("user__username", "vm__name")
    assert sorted(names) == [("carol", f"web-{number}") for number in range(10, 20)]


def test_names_go_out_to_who_may_see_the_thing(
    carol: User, mallory: User, alice: User, vm: VirtualMachine, host: Host, neighbour: VirtualMachine
) -> None:
    mine, other = operation("vm.start", alice, vm), operation("vm.start", alice, neighbour)
    hosts = operation("host.test", alice, host)
    names = [f"vm:{vm.pk}", f"vm:{neighbour.pk}", f"host:{host.pk}", "vms:*", "*"]
    names += [f"op:{row.pk}" for row in (mine, other, hosts)]
    assert visible_names(mallory, names) == []
    assert visible_names(alice, names) == names
    grant(carol, "viewer", vm)
    assert visible_names(carol, names) == [f"vm:{vm.pk}", f"op:{mine.pk}", "vms:*", "*"]
    # What happens to its host is told as what it is to her: her VMs look different now.
    assert visible_names(carol, [f"host:{host.pk}"]) == ["vms:*"]
    assert visible_names(carol, [f"vm:{neighbour.pk}", f"op:{other.pk}", "vm:x", "nonsense"]) == []
    grant(carol, "viewer", host)
    assert set(visible_names(carol, names)) == set(names)
