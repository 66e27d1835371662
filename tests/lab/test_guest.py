"""The guest that the other tests lean on does what they believe."""

from __future__ import annotations

from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually, hello


def test_it_obeys_its_power_button(guests: Guests) -> None:
    guest = guests.make("obedient", start=True)
    guest.domain.shutdown()
    eventually(guest.is_off, "the guest is off")
    assert "power button" in "".join(guest.lines())


def test_another_one_ignores_it_and_counts_on(guests: Guests) -> None:
    guest = guests.make("deaf", obeys=False, start=True)
    guest.domain.shutdown()
    guest.wait_for_count()
    guest.wait_for_count()
    guest.wait_for_count()
    assert guest.is_running()
    assert len(guest.boots()) == 1


def test_a_pause_stops_its_counting_and_loses_nothing(guests: Guests) -> None:
    guest = guests.make("patient", start=True)
    guest.domain.suspend()
    assert guest.stands_still()
    guest.domain.resume()
    guest.wait_for_count()
    counts = guest.counts()
    assert counts == sorted(counts)


def test_it_gets_an_address_and_answers_with_its_name(guests: Guests, lab_host: LabHost) -> None:
    lab_host.virsh("net-start", "default")
    try:
        guest = guests.make("web", network="default", start=True)
        guest.wait_for_line("address 192.168.122.")
        [address] = {line.split()[1] for line in guest.lines() if line.startswith("address ")}
        assert eventually(lambda: hello(lab_host, address), "it answers") == "hello from web"
    finally:
        lab_host.virsh("net-destroy", "default")
