"""Verbs and documents, on libvirt's test driver."""

from __future__ import annotations

from typing import Final

import libvirt
import pytest

from tests.virt.conftest import UUID
from vms.errors import BadDocument, HostRefused, InvalidState, NotFound, Unsupported
from vms.libvirtxml import DEFINE, DomainXML, add_vnc_screen
from vms.virt import Connection
from vms.virt.domain import open_screens

NONE: Final[frozenset[str]] = frozenset()


def test_it_describes_a_running_domain(connection: Connection) -> None:
    [info] = connection.domains()
    assert (info.uuid, info.name, info.state, info.persistent) == (UUID, "web-01", "running", True)
    assert info.run_id is not None
    assert "<name>web-01</name>" in info.live_xml
    assert "hunter2" not in info.live_xml + info.next_boot_xml
    assert connection.domain(UUID).info() == info


def test_it_walks_through_the_states(connection: Connection) -> None:
    domain = connection.domain(UUID)
    domain.pause()
    assert domain.state()[0] == "paused"
    domain.resume()
    assert domain.state()[0] == "running"
    run = domain.state()[1]
    domain.force_off()
    assert domain.state() == ("shut_off", None)
    assert (domain.info().live_xml, domain.info().state_reason) == ("", "destroyed")
    domain.start()
    assert domain.state()[0] == "running"
    assert domain.state()[1] != run
    domain.shutdown()
    assert domain.state()[0] == "shut_off"


def test_the_states_of_all_are_read_at_once(connection: Connection) -> None:
    connection.domain(UUID).pause()
    assert connection.states()[UUID][0] == "paused"
    connection.domain(UUID).force_off()
    assert connection.states() == {UUID: ("shut_off", None)}


def test_an_edit_keeps_the_secret_that_reading_leaves_out(connection: Connection) -> None:
    domain = connection.domain(UUID)

    def retitle(document: DomainXML) -> None:
        document.title = "Shop"

    assert domain.modify(retitle, allowed=frozenset({"vm.describe"}))
    assert "<title>Shop</title>" in domain.info().next_boot_xml
    secrets: list[str] = []
    domain.modify(lambda document: secrets.append(str(document.graphics[0].element.get("passwd"))), allowed=NONE)
    assert secrets == ["hunter2"]


def test_an_edit_that_changes_nothing_is_not_defined(connection: Connection) -> None:
    assert not connection.domain(UUID).modify(add_vnc_screen, allowed=NONE)


def test_a_definition_is_validated(connection: Connection) -> None:
    def spoil(document: DomainXML) -> None:
        document.element.append(document.element.makeelement("nonsense"))

    with pytest.raises(BadDocument):
        connection.domain(UUID).modify(spoil, allowed=frozenset({DEFINE}))


def test_what_is_not_there_is_not_found(connection: Connection) -> None:
    with pytest.raises(NotFound):
        connection.domain("00000000-0000-4000-8000-000000000000")


def test_what_the_driver_lacks_is_unsupported(connection: Connection) -> None:
    with pytest.raises(Unsupported) as told:
        connection.domain(UUID).open_graphics(0)
    assert told.value.details


def test_a_state_that_forbids_it_is_told(connection: Connection) -> None:
    connection.domain(UUID).force_off()
    # The test driver says "internal error" where QEMU says that the operation is invalid.
    with pytest.raises((InvalidState, HostRefused)):
        connection.domain(UUID).pause()


class Handle:
    """A domain whose public document is that, and whose secrets are shown or not."""

    def __init__(self, secret: str | None) -> None:
        self.secret = secret
        self.asked = 0

    def XMLDesc(self, flags: int) -> str:
        assert flags == libvirt.VIR_DOMAIN_XML_SECURE
        self.asked += 1
        if self.secret is None:
            raise libvirt.libvirtError("access denied")
        return self.secret


OPEN = (
    "<domain><devices><graphics type='vnc'{}><listen type='address' address='0.0.0.0'/></graphics></devices></domain>"
)


@pytest.mark.parametrize(
    ("live", "secret", "found", "asked"),
    [
        (OPEN.format(""), OPEN.format(""), ("vnc",), 1),
        (OPEN.format(""), OPEN.format(" passwd='hunter2'"), (), 1),
        (OPEN.format(""), None, (), 1),
        (OPEN.format("").replace("address='0.0.0.0'", "").replace("'address'", "'none'"), None, (), 0),
        ("", None, (), 0),
    ],
)
def test_secrets_are_asked_for_only_where_a_screen_listens(
    live: str, secret: str | None, found: tuple[str, ...], asked: int
) -> None:
    handle = Handle(secret)
    assert open_screens(handle, live) == found
    assert handle.asked == asked


def test_the_live_document_comes_with_secrets_and_its_run(connection: Connection) -> None:
    domain = connection.domain(UUID)
    document, run = domain.live()
    assert document.vnc and document.vnc.password == "hunter2"
    assert run == domain.state()[1]
    domain.force_off()
    with pytest.raises(InvalidState):
        connection.domain(UUID).live()
