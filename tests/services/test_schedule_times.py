"""When a schedule is due, also in nights that have an hour too few or too many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vms.services.schedule_times import MOST_MISSED, When, caught_up, next_after, times_after

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def local(when: When, since: str, count: int) -> list[str]:
    """The next times as the zone's clock shows them."""
    zone = ZoneInfo(when.zone)
    times = islice(times_after(when, at(since, when.zone)), count)
    return [f"{each.astimezone(zone):%m-%d %H:%M %z}" for each in times]


def test_a_night_without_the_hour() -> None:
    """On 2026-03-29 the clock goes from 02:00 to 03:00."""
    nightly = When("daily", 150, 0, "Europe/Berlin")
    assert local(nightly, "2026-03-28T00:00", 3) == ["03-28 02:30 +0100", "03-29 03:30 +0200", "03-30 02:30 +0200"]


def test_a_night_with_the_hour_twice() -> None:
    """On 2026-10-25 the clock goes from 03:00 back to 02:00: the first of the two, and no second."""
    nightly = When("daily", 150, 0, "Europe/Berlin")
    assert local(nightly, "2026-10-24T00:00", 3) == ["10-24 02:30 +0200", "10-25 02:30 +0200", "10-26 02:30 +0100"]


def test_hours_are_hours() -> None:
    hourly = When("hourly", 15, 0, "Europe/Berlin")
    assert local(hourly, "2026-03-29T01:00", 3) == ["03-29 01:15 +0100", "03-29 03:15 +0200", "03-29 04:15 +0200"]
    assert local(hourly, "2026-10-25T01:30", 3) == ["10-25 02:15 +0200", "10-25 02:15 +0100", "10-25 03:15 +0100"]


def test_a_zone_that_changes_by_half_an_hour() -> None:
    """Lord Howe, 2026-04-05: 02:00 becomes 01:30."""
    hourly = When("hourly", 15, 0, "Australia/Lord_Howe")
    assert local(hourly, "2026-04-05T00:30", 3) == ["04-05 01:15 +1100", "04-05 02:15 +1030", "04-05 03:15 +1030"]


def test_a_day_that_never_was() -> None:
    """Apia went from the 29th to the 31st of December 2011: no day is due twice in one moment."""
    nightly = When("daily", 150, 0, "Pacific/Apia")
    assert local(nightly, "2011-12-29T00:00", 3) == ["12-29 02:30 -1000", "12-31 02:30 +1400", "01-01 02:30 +1400"]


def test_weeks_and_months() -> None:
    assert local(When("weekly", 60, 6, "UTC"), "2026-11-26T22:00", 2) == ["11-29 01:00 +0000", "12-06 01:00 +0000"]
    monthly = When("monthly", 0, 31, "UTC")
    assert local(monthly, "2027-01-01T00:00", 3) == ["01-31 00:00 +0000", "02-28 00:00 +0000", "03-31 00:00 +0000"]


def test_it_is_never_due_now() -> None:
    nightly = When("daily", 150, 0, "UTC")
    assert next_after(nightly, at("2026-11-26T02:30")) == at("2026-11-27T02:30")
    assert next_after(nightly, at("2026-11-26T02:29:59")) == at("2026-11-26T02:30")


def test_an_outage_is_made_up_for_once() -> None:
    hourly = When("hourly", 0, 0, "UTC")
    due, now = at("2026-11-26T10:00"), at("2026-11-26T13:20")
    assert caught_up(hourly, due, now) == (at("2026-11-26T14:00"), 3)
    assert caught_up(hourly, due, due) == (at("2026-11-26T11:00"), 0)
    # A year of hours is not counted to its end.
    assert caught_up(hourly, due, due + timedelta(days=365)) == (due + timedelta(days=365, hours=1), MOST_MISSED)


whens = st.builds(
    When, st.sampled_from(["hourly", "daily", "weekly", "monthly"]), st.integers(0, 59), st.integers(1, 6),
    st.sampled_from(ZONES),
) | st.builds(
    When, st.sampled_from(["daily", "weekly", "monthly"]), st.integers(0, 1439), st.integers(1, 6),
    st.sampled_from(ZONES),
)  # fmt: skip
SPANS = {"hourly": 3600, "daily": 86400, "weekly": 7 * 86400, "monthly": 31 * 86400}


@given(whens, st.integers(0, 20 * 365 * 86400).map(lambda n: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=n)))
def test_it_goes_on(when: When, moment: datetime) -> None:
    """Always later, and never more than an hour (of a zone's change) beyond its span."""
    times = [moment, *islice(times_after(when, moment), 4)]
    for before, after in pairwise(times):
        assert before < after and after.second == 0
    for before, after in pairwise(times[1:]):
        slack = 86400 if when.zone == "Pacific/Apia" else 3600
        assert (after - before).total_seconds() <= SPANS[when.every] + slack
    assert times[1] == next_after(when, times[1] - timedelta(seconds=1))


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_is_due_once(zone: str) -> None:
    when = When("daily", 150, 0, zone)
    days = [
        each.astimezone(ZoneInfo(zone)).date() for each in islice(times_after(when, at("2026-01-01T00:00", zone)), 366)
    ]
    assert len(set(days)) == len(days)
