"""Which moments are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from vms.services.retention import Policy, to_keep

ZONE = ZoneInfo("Europe/Berlin")
counts = st.integers(0, 4)
policies = st.builds(Policy, counts, counts, counts, counts, counts)
moments = st.integers(0, 89 * 24 * 60).map(lambda n: datetime(2026, 2, 1, tzinfo=UTC) + timedelta(minutes=n))
several = st.sets(moments, max_size=40)
# Around the night in which 02:30 comes twice, an hour and less apart.
close = st.sets(
    st.integers(0, 60).map(lambda n: datetime(2026, 10, 24, 20, tzinfo=UTC) + timedelta(minutes=20 * n)), max_size=40
)


def shown(times: set[datetime]) -> list[str]:
    return [f"{at:%m-%d %H}" for at in sorted(times)]


def test_a_week_of_hours() -> None:
    """Two hours, three days (the latest of each), two weeks, one month."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    hours = {start + timedelta(hours=n) for n in range(24 * 20)}
    kept = to_keep(hours, Policy(last=1, hourly=2, daily=3, weekly=2, monthly=1), ZoneInfo("UTC"))
    assert shown(kept) == ["11-15 23", "11-18 23", "11-19 23", "11-20 22", "11-20 23"]


def test_days_are_the_zones() -> None:
    """23:30 UTC is the next day in Berlin."""
    times = {datetime(2026, 11, 1, 22, 30, tzinfo=UTC), datetime(2026, 11, 1, 23, 30, tzinfo=UTC)}
    assert len(to_keep(times, Policy(daily=5), ZoneInfo("UTC"))) == 1
    assert len(to_keep(times, Policy(daily=5), ZONE)) == 2


def test_the_hour_that_comes_twice_is_two() -> None:
    times = {datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)}
    assert to_keep(times, Policy(hourly=5), ZONE) == times


@given(several | close, policies)
def test_what_is_kept(times: set[datetime], policy: Policy) -> None:
    kept = to_keep(times, policy, ZONE)
    assert kept <= times and len(kept) <= policy.most
    assert to_keep(kept, policy, ZONE) == kept
    if times and policy.most:
        assert max(times) in kept
    assert set(sorted(times)[-policy.last :] if policy.last else []) <= kept


@given(several | close, policies)
def test_to_thin_out_after_each_comes_to_the_same(times: set[datetime], policy: Policy) -> None:
    """What runs every hour for a year keeps its months, though it never sees them all at once."""
    kept: set[datetime] = set()
    for at in sorted(times):
        kept = to_keep({*kept, at}, policy, ZONE)
    assert kept == to_keep(times, policy, ZONE)


@given(several | close, policies)
def test_who_asks_for_more_keeps_no_less(times: set[datetime], policy: Policy) -> None:
    more = Policy(policy.last + 1, policy.hourly + 1, policy.daily + 1, policy.weekly + 1, policy.monthly + 1)
    assert to_keep(times, policy, ZONE) <= to_keep(times, more, ZONE)
