"""Opening, cutting and what a host says of itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.virt.conftest import UUID
from vms.errors import AuthRefused, HostUnreachable, TimedOut
from vms.virt import Connection, DomainChanged, Event, HostSpec, connect, open_connection, watch


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[HostSpec]:
    """A daemon that accepts and says nothing, as one that is stopped."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "deaf"))
        listening.listen()
        yield HostSpec("unix", "qemu", str(tmp_path / "deaf"))


def test_it_tells_what_the_host_is(connection: Connection) -> None:
    facts = connection.info()
    assert facts.domain_type == "test"
    assert (facts.uuid, facts.qemu_version) == ("", "")
    assert facts.cpus > 0
    assert [(network.name, network.active) for network in facts.networks] == [("busy", True)]
    assert [(pool.name, pool.type, pool.path) for pool in facts.pools] == [("files", "dir", "/files")]


def test_a_driver_without_uuid_is_not_compared(spec: HostSpec) -> None:
    with connect(HostSpec(spec.transport, spec.driver, spec.socket, UUID)) as opened:
        assert opened.alive()


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(HostUnreachable), connect(HostSpec("unix", "qemu", str(tmp_path / "nothing"))):
        pass


def test_a_uri_is_built_from_known_words_only() -> None:
    for transport, driver in (("ext", "qemu"), ("unix", "ch")):
        with pytest.raises(ValueError, match="no way"):
            HostSpec(transport, driver)
    assert HostSpec("unix", "qemu").uri("/a&command=x") == "qemu+unix:///system?socket=/a%26command%3Dx"


def test_opening_a_daemon_that_says_nothing_ends(deaf: HostSpec) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut):
        open_connection(deaf, timeout=0.3)
    assert time.monotonic() - began < 3


def test_a_direct_opening_ends_too_and_a_second_one_is_refused_at_once(deaf: HostSpec) -> None:
    with pytest.raises(TimedOut):
        open_connection(deaf, direct=True, timeout=0.3)
    with pytest.raises(HostUnreachable):
        open_connection(deaf, direct=True, timeout=0.3)


def test_a_closed_door_is_told_from_an_empty_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(AuthRefused):
        open_connection(HostSpec("unix", "qemu", str(tmp_path / "closed")))


def test_events_carry_names(connection: Connection) -> None:
    seen: list[Event] = []
    told = threading.Event()

    def note(event: Event) -> None:
        seen.append(event)
        told.set()

    with watch(connection, note):
        connection.domain(UUID).pause()
        assert told.wait(5)
    assert DomainChanged(UUID) in seen


def test_it_makes_ready_what_is_missing_and_nothing_else(connection: Connection) -> None:
    assert connection.make_ready() == [
        "network_defined", "network_started", "network_autostart", "pool_defined", "pool_started", "pool_autostart",
    ]  # fmt: skip
    assert connection.missing() == []
    assert connection.make_ready() == []
    assert [network.name for network in connection.networks()] == ["busy", "default"]
    assert {pool.name: pool.active for pool in connection.pools()} == {"files": True, "default": True}


def test_it_starts_a_network_once(connection: Connection) -> None:
    assert not connection.start_network("busy")


def test_one_that_is_closed_under_a_call_goes_when_the_call_is_back(spec: HostSpec) -> None:
    """libvirt would free what the call still uses."""
    connection = open_connection(spec)
    with connection.guard():
        closing = threading.Thread(target=connection.close)
        closing.start()
        closing.join(5)
        assert connection.handle.isAlive()
        with pytest.raises(HostUnreachable):
            connection.info()
    assert not connection.alive()
    connection.close()
