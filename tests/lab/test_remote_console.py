"""Screens of VMs on another machine, typed into: relay, tunnel or network, a real QEMU with and without password."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt
import pytest
from django.conf import settings
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import unix_connect
from websockets.typing import Origin

from tests.conftest import make_vm
from tests.lab.doors import STRANGER
from tests.lab.far import row
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.test_console import Screen, typed
from vms import virt
from vms.demo.guest import Guest
from vms.gateways import remote, screens
from vms.gateways.closing import Ended
from vms.gateways.greeting import Greeting
from vms.gateways.lines import Lines, open_device
from vms.gateways.relay import Relay
from vms.libvirtxml import DomainXML, Listen, let_vnc_listen
from vms.models import Host, Placement, User, VirtualMachine
from vms.permissions import Actor
from vms.services import consoles
from vms.virt import HostSpec

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

SECRETS = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE
OWN_PASSWORD = "hunter2"


@pytest.fixture(scope="module")
def far_host() -> Iterator[LabHost]:
    """Another machine: sshd, libvirtd by TCP and TLS, and its VMs' ports."""
    machine = LabHost("lab-far", doors=True)
    yield machine
    machine.stop()


@pytest.fixture(scope="module")
def staying(far_host: LabHost, guest_files: Guest) -> Iterator[Guests]:
    """Makes guests for all tests here."""
    factory = Guests(far_host, guest_files)
    yield factory
    factory.remove_all()


@pytest.fixture
def far_guests(far_host: LabHost, guest_files: Guest) -> Iterator[Guests]:
    """Makes guests that go with the test."""
    factory = Guests(far_host, guest_files)
    yield factory
    factory.remove_all()


def listening(guests: Guests, name: str, listen: Listen | str, *, password: str | None = "") -> LabGuest:
    """A guest whose VNC listens there, with our lapsed password ("": what the dashboard sets), its own, or none."""
    guest = guests.make(name)
    document = DomainXML.parse(guest.domain.XMLDesc(SECRETS))
    let_vnc_listen(document, "loopback" if listen == "::1" else listen)  # type: ignore[arg-type]
    screen = document.vnc
    assert screen
    if listen == "::1":
        screen.address = "::1"
    if password != "":
        screen.password, screen.password_until = password, None
    guest.host.connect().defineXML(document.text)
    return guest


@pytest.fixture(scope="module")
def locked(staying: Guests) -> LabGuest:
    """It listens everywhere and takes nobody until it is lent a password."""
    guest = listening(staying, "locked", "everywhere")
    guest.start()
    return guest


@pytest.fixture(scope="module")
def plugged(staying: Guests) -> LabGuest:
    """It has libvirt's own socket, no port and no password."""
    guest = listening(staying, "plugged", "socket")
    guest.start()
    return guest


@pytest.fixture
def relay(db: None, tmp_path: Path) -> Iterator[Path]:
    """A relay's socket; its screens are opened as the real relay opens them."""
    made = Relay(tmp_path / "console.sock", name="lab-relay", open_screen=screens.open_screen, lines=Lines(open_device))
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    yield tmp_path / "console.sock"
    made.end_all("relay_ends")
    made.shutdown()
    thread.join()
    eventually(lambda: not made.consoles, "the consoles have ended")
    made.lines.end()
    made.server_close()


class Person:
    """Somebody with a browser, and the VM as the watcher would have stored it."""

    def __init__(self, user: User, client: Client, relay: Path) -> None:
        self.actor = Actor(user, client.session.session_key or "")
        self.relay = relay

    @contextmanager
    def console(self, vm: VirtualMachine) -> Iterator[Screen]:
        _, ticket = consoles.issue(self.actor, vm)
        with unix_connect(
            str(self.relay),
            f"ws://localhost:8000/console/{vm.pk}?ticket={ticket}",
            origin=Origin("http://localhost:8000"),
            additional_headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.actor.session_key}"},
            compression=None,
            max_size=None,
        ) as connection:
            yield Screen(connection)

    def refused(self, vm: VirtualMachine) -> str:
        """The word with which the relay ends the console instead of showing a screen."""
        with pytest.raises(ConnectionClosed) as closed, self.console(vm):
            pass
        assert closed.value.rcvd
        return closed.value.rcvd.reason


@pytest.fixture
def person(alice: User, client_alice: Client, relay: Path) -> Person:
    return Person(alice, client_alice, relay)


def vm_of(host: Host, guest: LabGuest) -> VirtualMachine:
    vm = make_vm(host, guest.name)
    Placement.objects.filter(current_of=vm).update(uuid=guest.uuid)
    return vm


def types_into(person: Person, vm: VirtualMachine, guest: LabGuest, word: str) -> None:
    guest.wait_for_count()
    with person.console(vm) as screen:
        assert screen.is_drawn()
        screen.send(typed(f"echo {word} > /dev/ttyS0\n"))
        eventually(lambda: word in guest.lines(), f"{word} on the serial line of {guest.name}", within=30)


def screen_of(guest: LabGuest) -> str:
    """Its running screen, with secrets."""
    screen = DomainXML.parse(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)).vnc
    assert screen
    return screen.text


def port(guest: LabGuest) -> int:
    screen = DomainXML.parse(guest.domain.XMLDesc(0)).vnc
    assert screen and screen.port
    return screen.port


@pytest.mark.parametrize("transport", ["ssh", "tls", "tcp"])
def test_a_screen_with_a_password_is_typed_into(
    transport: str, person: Person, far_host: LabHost, locked: LabGuest
) -> None:
    before = screen_of(locked)
    types_into(person, vm_of(row(far_host, transport), locked), locked, f"by-{transport}")
    assert screen_of(locked) == before


def test_a_socket_is_typed_into(person: Person, far_host: LabHost, plugged: LabGuest) -> None:
    types_into(person, vm_of(row(far_host, "ssh"), plugged), plugged, "by-socket")


def test_another_user_than_root_does_not_reach_the_socket(person: Person, far_host: LabHost, plugged: LabGuest) -> None:
    host = row(far_host, "ssh")
    with virt.connect(HostSpec(**host.spec_fields())) as connection:
        document, run = connection.domain(plugged.uuid).live()
    host.user = STRANGER
    assert document.vnc
    target = virt.tunnel_to_socket(HostSpec(**host.spec_fields()), remote.own_socket(document.vnc, run))
    with target, pytest.raises(Ended) as ended:
        Greeting(target, 5).run(str)
    assert ended.value.reason == "screen_unreachable"


def test_a_vms_own_password_is_good_again_afterwards(person: Person, far_host: LabHost, far_guests: Guests) -> None:
    guest = listening(far_guests, "own", "::1", password=OWN_PASSWORD)
    guest.domain.create()
    host = row(far_host, "ssh")
    vm = vm_of(host, guest)
    for _ in range(2):
        with person.console(vm) as screen:
            assert screen.is_drawn()
    spec = HostSpec(**host.spec_fields())

    def signs_in(password: str) -> str:
        with virt.tunnel(spec, "::1", port(guest)) as target:
            try:
                Greeting(target, 5).run(lambda: password)
            except Ended as ended:
                return ended.reason
        return "yes"

    assert (signs_in(OWN_PASSWORD), signs_in("wrong")) == ("yes", "password_refused")


def test_a_lapsed_password_is_refused_by_the_screen_and_its_own_put_back(
    person: Person, far_host: LabHost, locked: LabGuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = screen_of(locked)
    # As on a host whose clock is ahead.
    monkeypatch.setattr(remote, "PASSWORD_SECONDS", -60)
    assert person.refused(vm_of(row(far_host, "ssh"), locked)) == "password_refused"
    assert screen_of(locked) == before


def test_nobody_else_signs_in_with_what_the_dashboard_left(far_host: LabHost, locked: LabGuest) -> None:
    assert far_host.doors
    with virt.connect(HostSpec(**row(far_host, "tcp").spec_fields())) as connection:
        document, _ = connection.domain(locked.uuid).live()
        assert connection.domain(locked.uuid).info().open_screens == ()
    screen = document.vnc
    assert screen and screen.password and screen.port
    password = screen.password
    with socket.create_connection((far_host.doors.address, screen.port), 5) as target, pytest.raises(Ended) as ended:
        Greeting(target, 5).run(lambda: password)
    assert ended.value.reason == "password_refused"


def test_after_a_restart_on_another_port_the_new_one_is_asked_for(
    person: Person, far_host: LabHost, far_guests: Guests, locked: LabGuest
) -> None:
    guest = listening(far_guests, "moving", "loopback")
    guest.domain.create()
    vm = vm_of(row(far_host, "ssh"), guest)
    with person.console(vm) as screen:
        assert screen.is_drawn()
    before = port(guest)
    guest.domain.destroy()
    squatter = listening(far_guests, "squatter", "loopback")
    squatter.domain.create()
    assert port(squatter) == before
    guest.start()
    assert port(guest) != before
    types_into(person, vm, guest, "moved")
    assert "moved" not in squatter.lines()


@pytest.mark.parametrize("password", ["", None])
def test_a_vm_that_takes_the_port_in_between_is_not_shown(
    password: str | None, person: Person, far_host: LabHost, far_guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = listening(far_guests, "leaving", "loopback", password=password)
    other = listening(far_guests, "taking", "loopback", password=password)
    guest.domain.create()
    vm = vm_of(row(far_host, "ssh"), guest)
    before = port(guest)
    reach = remote.reach

    def swapped(*arguments: object) -> socket.socket:
        guest.domain.destroy()
        other.domain.create()
        assert port(other) == before
        return reach(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(remote, "reach", swapped)
    assert person.refused(vm) == ("screen_moved" if password is None else "no_screen")


def test_open_screens_are_told(far_host: LabHost, far_guests: Guests) -> None:
    guest = listening(far_guests, "open", "everywhere", password=None)
    guest.domain.create()
    with virt.connect(HostSpec(**row(far_host, "tcp").spec_fields())) as connection:
        assert connection.domain(guest.uuid).info().open_screens == ("vnc",)
