"""What a real libvirt makes of a definition, looked at by the function that decides what an edit needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.guests import Guests
from vms.errors import NeedsMore
from vms.libvirtxml import DEFINE, DomainXML, difference, strayed
from vms.virt import Connection, define

GOLDEN = Path(__file__).parents[1] / "libvirtxml/golden"


@pytest.mark.parametrize("name", ["small", "rich"])
def test_what_libvirt_fills_in_needs_nothing(connection: Connection, name: str) -> None:
    sent = (GOLDEN / f"{name}-sent.xml").read_text()
    domain = connection.define_domain(sent, allowed=frozenset({DEFINE}))
    try:
        answer = domain.next_boot().text
        assert strayed(sent, answer) == ()
        golden = (GOLDEN / f"{name}-got.xml").read_text()
        # Beside what is new each time (UUID, MAC); a libvirt that answers otherwise wants another golden document.
        other = {need.place for need in difference(golden, answer)}
        assert {place.rpartition("/")[2] for place in other} <= {"uuid", "@address"}, other
        describe = frozenset({"vm.describe"})
        assert domain.modify(lambda document: setattr(document, "title", "Once more"), allowed=describe)
        assert {need.place for need in difference(answer, domain.next_boot().text)} == {"title"}
    finally:
        define.remove_domain(connection, str(DomainXML.parse(domain.next_boot().text).uuid))


def test_a_real_host_keeps_what_the_edit_may_not_change(connection: Connection, guests: Guests) -> None:
    guest = guests.make("judged")
    domain = connection.domain(guest.uuid)
    before = domain.next_boot().text

    def edit(document: DomainXML) -> None:
        document.title = "Mine"
        document.kernel = "/etc/shadow"

    with pytest.raises(NeedsMore) as told:
        domain.modify(edit, allowed=frozenset({"vm.describe", "vm.boot", "vm.device"}))
    assert told.value.params == {"privilege": DEFINE, "place": "os/kernel"}
    assert domain.next_boot().text == before
