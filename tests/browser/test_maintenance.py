"""A host with six guests is emptied from its page, and gets them back."""

from __future__ import annotations

from collections.abc import Iterator

import libvirt
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.lab.guests import Guests
from tests.lab.machine import eventually
from tests.lab.moves import Pair
from tests.lab.test_maintenance import on, started
from tests.lab.test_migration import pair

__all__ = ["pair"]

pytestmark = pytest.mark.long

RUNNING = libvirt.VIR_DOMAIN_RUNNING
# Six that are emulated share two processors with two hosts.
LONG = 300_000


@pytest.fixture
def there(pair: Pair) -> Iterator[Guests]:
    """Makes guests on the second host."""
    made = Guests(pair.there, pair.guests.files)
    yield made
    made.remove_all()


def test_a_host_with_six_guests_is_emptied_and_they_come_back(
    pair: Pair, there: Guests, new_browser: NewContext
) -> None:
    guests = [there.make(f"tenant-{number}", graphics=None) for number in range(6)]
    started(guests)
    for guest in guests:
        pair.dashboard.await_state(pair.dashboard.vm(guest.uuid), "running")
    host = pair.ids[pair.there.name]
    plan = f"/hosts/{host}/maintenance"
    eventually(lambda: len(pair.dashboard.get(plan)["away"]["moves"]) == 6, "the plan knows all of them")

    page = new_browser().new_page()
    page.goto(f"{plan}/")
    expect(page.get_by_text("6 VMs move away")).to_be_visible()
    page.get_by_label("How many move at a time").select_option("2")
    page.get_by_role("button", name="Empty it").click()
    expect(page.get_by_role("heading", name="Bring its VMs back")).to_be_visible(timeout=LONG)
    assert on(pair.here, guests) == [RUNNING] * 6 and on(pair.there, guests) == [None] * 6
    expect(page.get_by_text("takes no new VMs")).to_be_visible()

    page.get_by_role("button", name="Bring them back").click()
    expect(page.get_by_role("heading", name="The last time its VMs came back")).to_be_visible(timeout=LONG)
    assert on(pair.there, guests) == [RUNNING] * 6 and on(pair.here, guests) == [None] * 6
    for guest in guests:
        guest.wait_for_count()
    assert [len(guest.boots()) for guest in guests] == [1] * 6
