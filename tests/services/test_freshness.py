"""How old what is shown is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from vms.models import Host
from vms.services.freshness import freshness


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "live"), (20, "old"), (-1, "live"), (-3600, "old")],
    ids=["just heard", "not for a while", "another clock", "before the clock was set back"],
)
def test_a_host_is_live_while_it_was_just_heard(host: Host, seconds: int, said: str) -> None:
    host.heard_at = timezone.now() - timedelta(seconds=seconds)
    assert freshness(host) == said
