"""The demo's two accounts: what they see, and that nothing of them opens anything afterwards."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from tests.conftest import make_vm, sign_in
from vms.demo import people
from vms.models import AuditEvent, Grant, Host, Tag, User, VirtualMachine
from vms.permissions import may, visible_vms
from vms.services import tokens

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


class Terminal:
    """What was said to the log, and what was shown."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: dict[str, str] = {}

    def make(self, web: VirtualMachine | None, *, seen: bool = True) -> dict[str, str]:
        """{name: password} of those that were shown by this run."""
        self.shown = {}
        people.make(people.people("demo", web), self.said.append, self.shown.__setitem__ if seen else None)
        return self.shown


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def web(host: Host) -> VirtualMachine:
    """The demo's, beside another of the demo's and one that is somebody's."""
    found = [make_vm(host, name) for name in ("demo-web", "demo-db", "mine")]
    for vm in found[:2]:
        Tag.objects.create(vm=vm, name="demo")
    return found[0]


def signs_in(name: str, password: str) -> bool:
    client = Client(HTTP_X_REAL_IP="127.0.0.1")
    client.post("/accounts/login/", {"login": name, "password": password})
    return client.get("/activity/").status_code == 200


def opens(name: str, password: str) -> bool:
    user = User.objects.get(username=name)
    return user.is_active and user.check_password(password)


def sees(name: str) -> list[str]:
    return sorted(visible_vms(User.objects.get(username=name)).values_list("name", flat=True))


def test_one_works_with_the_demo_and_one_looks_at_one_of_it(terminal: Terminal, web: VirtualMachine) -> None:
    shown = terminal.make(web)
    assert list(shown) == ["demo-operator", "demo-viewer"] and len(set(shown.values())) == 2
    assert all(signs_in(name, password) for name, password in shown.items())
    assert (sees("demo-operator"), sees("demo-viewer")) == (["demo-db", "demo-web"], ["demo-web"])
    operator, viewer = (User.objects.get(username=name) for name in shown)
    assert may(operator, "vm.power", web) and not may(viewer, "vm.power", web)
    assert not operator.is_administrator and not viewer.is_administrator
    assert terminal.said == ["demo-operator made", "demo-viewer made"]
    told = str(list(AuditEvent.objects.values()))
    assert not any(password in told for password in shown.values())
    assert [event.action for event in AuditEvent.objects.filter(address="scripts/run").order_by("pk")] == [
        "added:user", "gave:grant", "renewed:password",
    ] * 2  # fmt: skip


def test_the_second_run_keeps_them_and_shows_nothing(terminal: Terminal, web: VirtualMachine) -> None:
    first = terminal.make(web)
    events = AuditEvent.objects.count()
    assert terminal.make(web) == {}
    assert all(opens(name, password) for name, password in first.items())
    assert User.objects.count() == 2 and Grant.objects.count() == 2
    assert AuditEvent.objects.count() == events


def test_where_nobody_reads_it_there_is_no_password(terminal: Terminal, web: VirtualMachine) -> None:
    assert terminal.make(web, seen=False) == {}
    assert not any(user.has_usable_password() for user in User.objects.all())
    assert len(terminal.make(web)) == 2


def test_a_vm_that_shows_later_is_given_by_the_next_run(terminal: Terminal, web: VirtualMachine) -> None:
    terminal.make(None)
    assert sees("demo-viewer") == []
    terminal.make(web)
    assert sees("demo-viewer") == ["demo-web"]


def test_removed_they_open_nothing_and_keep_their_names(terminal: Terminal, web: VirtualMachine, alice: User) -> None:
    shown = terminal.make(web)
    _, text = tokens.create(User.objects.get(username="demo-operator"))
    Authenticator.objects.create(user=User.objects.get(username="demo-viewer"), type="totp", data={})
    browser = sign_in(User.objects.get(username="demo-operator"))
    own = Grant.objects.create(user=alice, role=Grant.objects.first().role, tag="demo")  # type: ignore[union-attr]
    people.remove(terminal.said.append)
    assert terminal.said[2:] == ["demo-operator switched off", "demo-viewer switched off"]
    assert browser.get("/").status_code == 302
    assert not any(opens(name, password) for name, password in shown.items())
    assert not signs_in("demo-operator", shown["demo-operator"])
    assert list(Grant.objects.all()) == [own] and User.objects.count() == 3
    assert User.objects.get(pk=alice.pk).is_active
    people.remove(terminal.said.append)
    assert len(terminal.said) == 4, "nothing is left to remove"
    again = terminal.make(web)
    assert list(again) == list(shown) and again != shown
    assert all(opens(name, password) for name, password in again.items())
    assert tokens.find(text) is None and not Authenticator.objects.exists()


def test_who_has_the_name_already_is_left_alone(terminal: Terminal, web: VirtualMachine) -> None:
    theirs = User.objects.create(username="Demo-Operator", password="theirs")
    assert list(terminal.make(web)) == ["demo-operator-2", "demo-viewer"]
    people.remove(terminal.said.append)
    theirs.refresh_from_db()
    assert theirs.is_active and theirs.password == "theirs" and not theirs.grants.exists()


def test_who_was_switched_off_by_hand_stays_off(terminal: Terminal, web: VirtualMachine) -> None:
    terminal.make(web)
    User.objects.filter(username="demo-viewer").update(is_active=False)
    assert terminal.make(web) == {}
    assert not User.objects.get(username="demo-viewer").is_active
