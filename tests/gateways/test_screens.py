"""Finding a VM's screen: the first VNC of the live document, one question a host at a time, none for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings

from vms import virt
from vms.errors import HostUnreachable, NotFound
from vms.gateways import screens
from vms.gateways.closing import Ended
from vms.models import Console, Host, User, VirtualMachine

pytestmark = pytest.mark.django_db(transaction=True)


def document(*kinds: str) -> str:
    return "<domain><devices>" + "".join(f"<graphics type='{kind}'/>" for kind in kinds) + "</devices></domain>"


class FakeHost:
    """Our own names of vms.virt: one domain whose screens are these, and an open that can hang or fail."""

    def __init__(self, live: str) -> None:
        self.live_xml = live
        self.asked: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.error: Exception | None = None
        self.sockets: list[socket.socket] = []

    @contextmanager
    def connect(self, spec: Any, *, direct: bool) -> Iterator[FakeHost]:
        assert direct
        self.open.wait(5)
        if self.error:
            raise self.error
        yield self

    def domain(self, uuid: str) -> FakeHost:
        return self

    def info(self) -> FakeHost:
        return self

    def open_graphics(self, index: int) -> socket.socket:
        self.asked.append(index)
        ours, theirs = socket.socketpair()
        self.sockets += [ours, theirs]
        return theirs


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHost]:
    made = FakeHost(document("vnc"))
    monkeypatch.setattr(virt, "connect", made.connect)
    monkeypatch.setattr(screens, "OPEN_WITHIN", 0.3)
    yield made
    made.open.set()
    for end in made.sockets:
        end.close()


@pytest.fixture
def console(alice: User, vm: VirtualMachine) -> Console:
    Host.objects.update(node=settings.ENVIRONMENT.node)
    return Console.objects.create(user=alice, vm=vm)


def reason(console: Console) -> str:
    with pytest.raises(Ended) as ended:
        screens.open_screen(console)
    return ended.value.reason


@pytest.mark.parametrize(("kinds", "index"), [(["vnc"], 0), (["spice", "vnc"], 1), (["spice", "sdl", "vnc", "vnc"], 2)])
def test_it_opens_the_first_vnc_screen(kinds: list[str], index: int, fake: FakeHost, console: Console) -> None:
    fake.live_xml = document(*kinds)
    assert screens.open_screen(console).socket.fileno() > 0
    assert fake.asked == [index]


@pytest.mark.parametrize("live", ["", document("spice"), document()])
def test_a_vm_that_is_off_or_has_no_vnc_has_no_screen(live: str, fake: FakeHost, console: Console) -> None:
    fake.live_xml = live
    assert reason(console) == "no_screen"


@pytest.mark.parametrize(("error", "word"), [(HostUnreachable(), "host_silent"), (NotFound(), "no_screen")])
def test_a_hosts_no_becomes_a_word(error: Exception, word: str, fake: FakeHost, console: Console) -> None:
    fake.error = error
    assert reason(console) == word


def test_another_nodes_host_is_not_asked(fake: FakeHost, console: Console) -> None:
    Host.objects.update(node="elsewhere")
    assert reason(console) == "no_screen"
    assert fake.asked == []


def test_a_host_that_hangs_costs_one_thread_and_nobody_waits_long(fake: FakeHost, console: Console) -> None:
    fake.open.clear()
    began = time.monotonic()
    for _ in range(3):
        assert reason(console) == "host_silent"
    assert time.monotonic() - began < 3
    time.sleep(0.4)
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("open-")]) == 1
    fake.open.set()
    time.sleep(0.2)
    # The late answer found nobody: its socket is closed again.
    assert [end.fileno() for end in fake.sockets[1::2]] == [-1]
    assert screens.open_screen(console)
