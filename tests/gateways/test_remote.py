"""The screen of a VM on another machine: where it may be reached, what password it is lent, and whose it is."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.gateways.vncserver import Server, served
from vms import virt
from vms.errors import HostRefused, HostUnreachable
from vms.gateways import remote, screens
from vms.gateways.closing import Ended
from vms.libvirtxml import DomainXML, Graphics
from vms.models import Console, Host, User, VirtualMachine
from vms.virt import HostSpec

V38 = b"RFB 003.008\n"
OPEN = ([V38, b"\x01\x01", bytes(4)], [12, 1])
LOCKED = ([V38, b"\x01\x02", bytes(16), bytes(4)], [12, 1, 16])
SOCKET = "/var/lib/libvirt/qemu/domain-7-web-01/vnc.sock"


def screen(listen: str, attributes: str = "port='5901'") -> Graphics:
    element = f"<graphics type='vnc' {attributes}>{listen}</graphics>"
    found = DomainXML.parse(f"<domain><devices>{element}</devices></domain>").vnc
    assert found
    return found


def address(text: str) -> str:
    return f"<listen type='address' address='{text}'/>"


class Ways:
    """Where reach() would have connected, instead of connecting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[Any] = []
        self.ends: list[socket.socket] = []
        monkeypatch.setattr(virt, "tunnel", lambda spec, address, port: self.go(address, port))
        monkeypatch.setattr(virt, "tunnel_to_socket", lambda spec, path: self.go(path))
        monkeypatch.setattr(socket, "create_connection", lambda end, timeout: self.go(*end))

    def go(self, *end: Any) -> socket.socket:
        self.taken.append(end)
        self.ends += socket.socketpair()
        return self.ends[-1]


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ways]:
    made = Ways(monkeypatch)
    yield made
    for end in made.ends:
        end.close()


def spec(transport: str, user: str = "root") -> HostSpec:
    return HostSpec(transport=transport, driver="qemu", address="host.example", user=user)


SOCKETS = f"<listen type='socket' socket='{SOCKET}'/>"


@pytest.mark.parametrize(
    ("transport", "listen", "end"),
    [
        ("ssh", address("127.0.0.1"), ("127.0.0.1", 5901)),
        ("ssh", address("127.8.8.8"), ("127.0.0.1", 5901)),
        ("ssh", address("localhost"), ("127.0.0.1", 5901)),
        ("ssh", address("::1"), ("::1", 5901)),
        ("ssh", address("0.0.0.0"), ("127.0.0.1", 5901)),
        ("ssh", address("::"), ("::1", 5901)),
        ("ssh", SOCKETS, (SOCKET,)),
        # The address that the host was added by, whatever the document says.
        ("tls", address("0.0.0.0"), ("host.example", 5901)),
        ("tcp", address("192.0.2.7"), ("host.example", 5901)),
        ("tcp", "<listen type='network' network='lan' address='192.0.2.7'/>", ("host.example", 5901)),
    ],
)
def test_it_connects_where_it_may(transport: str, listen: str, end: Any, ways: Ways) -> None:
    remote.reach(spec(transport), screen(listen), 7)
    assert ways.taken == [end]


@pytest.mark.parametrize(
    ("transport", "listen", "attributes"),
    [
        ("ssh", "<listen type='none'/>", ""),
        ("ssh", address("192.0.2.7"), "port='5901'"),
        ("ssh", address("evil.example"), "port='5901'"),
        ("ssh", address("127.0.0.1"), "port='-1'"),
        ("ssh", address("127.0.0.1"), "port='0'"),
        ("ssh", address("127.0.0.1"), "port='65536'"),
        ("ssh", address("127.0.0.1"), "port='22 -oProxyCommand=x'"),
        ("ssh", address("127.0.0.1"), ""),
        ("ssh", f"<listen type='socket' socket='{SOCKET.replace('-7-', '-8-')}'/>", ""),
        ("ssh", "<listen type='socket' socket='/var/run/docker.sock'/>", ""),
        ("ssh", f"<listen type='socket' socket='{SOCKET}/../../x/vnc.sock'/>", ""),
        ("ssh", "<listen type='socket'/>", ""),
        ("tls", address("127.0.0.1"), "port='5901'"),
        ("tcp", "<listen type='none'/>", ""),
        ("tls", SOCKETS, ""),
    ],
)
def test_it_connects_nowhere_else(transport: str, listen: str, attributes: str, ways: Ways) -> None:
    with pytest.raises(Ended) as ended:
        remote.reach(spec(transport), screen(listen, attributes), 7)
    assert ended.value.reason == "screen_unreachable"
    assert ways.taken == []


def test_only_root_reaches_the_socket(ways: Ways) -> None:
    remote.reach(spec("ssh", ""), screen(SOCKETS), 7)
    with pytest.raises(Ended):
        remote.reach(spec("ssh", "fred"), screen(SOCKETS), 7)
    assert ways.taken == [(SOCKET,)]


class FakeDomain:
    """A running VM: what its screen is changed to, in order, and the run ids that it tells."""

    def __init__(self, document: str = "", runs: tuple[int | None, ...] = (7,)) -> None:
        self.document = document
        self.runs = list(runs)
        self.updates: list[str] = []
        self.refuses: Exception | None = None
        self.refuses_from = 0

    def live(self) -> tuple[DomainXML, int]:
        return DomainXML.parse(self.document), 7

    def state(self) -> tuple[str, int | None]:
        return "running", self.runs.pop(0)

    def update_live(self, device: str, *, allowed: frozenset[str]) -> None:
        self.updates.append(device)
        if self.refuses and len(self.updates) > self.refuses_from:
            raise self.refuses


def greet(server: Server, domain: FakeDomain, own: Graphics) -> None:
    with served(server) as target:
        remote.greet(target, domain, own)  # type: ignore[arg-type]


OWN = "port='5901' passwd='hunter2' passwdValidTo='2030-01-01T00:00:00' keymap='de'"


def test_a_screen_is_lent_a_password_and_has_its_own_back_afterwards() -> None:
    domain, own = FakeDomain(), screen(address("127.0.0.1"), OWN)
    before = own.text
    greet(Server(*LOCKED), domain, own)
    lent, back = domain.updates
    assert back == before
    found = re.search(r'passwd="([A-Za-z0-9]{8})" passwdValidTo="([^"]+)"', lent)
    assert found and found[1] != "hunter2"
    until = datetime.fromisoformat(found[2]).replace(tzinfo=UTC)
    assert timedelta(seconds=20) < until - datetime.now(UTC) <= timedelta(seconds=30)
    assert 'keymap="de"' in lent and 'address="127.0.0.1"' in lent


def test_every_console_is_lent_another() -> None:
    domain = FakeDomain()
    for _ in range(2):
        greet(Server(*LOCKED), domain, screen(address("127.0.0.1"), OWN))
    assert domain.updates[0] != domain.updates[2]


def test_it_has_its_own_back_when_the_password_is_refused() -> None:
    domain, own = FakeDomain(), screen(address("127.0.0.1"), OWN)
    before = own.text
    with pytest.raises(Ended):
        greet(Server([V38, b"\x01\x02", bytes(16), b"\0\0\0\1"], [12, 1, 16]), domain, own)
    assert domain.updates[1] == before


def test_a_screen_that_asks_for_no_password_is_left_as_it_is() -> None:
    domain = FakeDomain()
    greet(Server(*OPEN), domain, screen(address("127.0.0.1")))
    assert domain.updates == []


def test_a_host_lost_before_its_own_is_back_is_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    domain = FakeDomain()
    domain.refuses, domain.refuses_from = HostUnreachable("gone"), 1
    greet(Server(*LOCKED), domain, screen(address("127.0.0.1"), OWN))
    found = re.search(r'passwd="(\w+)"', domain.updates[0])
    assert "did not get its own password back" in caplog.text
    assert found and found[1] not in caplog.text and "hunter2" not in caplog.text


@pytest.fixture
def console(db: None, alice: User, vm: VirtualMachine) -> Console:
    Host.objects.update(transport="ssh", address="host.example", user="root", node="")
    return Console.objects.create(user=alice, vm=vm)


VNC = f"<graphics type='vnc' {OWN}>{address('127.0.0.1')}</graphics>"
LIVE = f"<domain><devices><graphics type='spice'/>{VNC}</devices></domain>"


@contextmanager
def served_by(server: Server, domain: FakeDomain, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The host has that domain, and this is the socket that reaches its screen."""

    class FakeConnection:
        def domain(self, uuid: str) -> FakeDomain:
            return domain

    @contextmanager
    def connect(spec: HostSpec, **options: Any) -> Iterator[FakeConnection]:
        assert not options
        yield FakeConnection()

    monkeypatch.setattr(virt, "connect", connect)
    with served(server) as target:
        monkeypatch.setattr(remote, "reach", lambda spec, screen, run: target)
        yield target


@pytest.mark.django_db(transaction=True)
def test_any_node_opens_the_screen_of_a_remote_host(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    with served_by(Server(*LOCKED), FakeDomain(LIVE), monkeypatch) as target:
        assert screens.open_screen(console) == (target, True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", [None, 8])
def test_a_vm_that_stopped_while_we_connected_shows_nobody_elses_screen(
    run: int | None, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_by(Server(*OPEN), FakeDomain(LIVE, runs=(run,)), monkeypatch) as target:
        with pytest.raises(Ended) as ended:
            screens.open_screen(console)
        assert ended.value.reason == "screen_moved"
        assert target.fileno() == -1


@pytest.mark.django_db(transaction=True)
def test_a_password_that_the_host_does_not_take_is_a_word(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = FakeDomain(LIVE)
    domain.refuses = HostRefused("busy")
    with served_by(Server(*LOCKED), domain, monkeypatch), pytest.raises(Ended) as ended:
        screens.open_screen(console)
    assert ended.value.reason == "no_screen"
