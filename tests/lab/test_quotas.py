"""A quota holds against twenty who ask at once; on PostgreSQL, with two of every process, in tests/lab/test_many.py."""

from __future__ import annotations

import pytest

from tests.lab import quotas
from tests.lab.machine import LabHost
from tests.lab.pools import folder_pool
from tests.lab.stack import Dashboard


@pytest.mark.long
def test_as_many_get_something_as_there_is_room_for(lab_host: LabHost, dashboard: Dashboard) -> None:
    with folder_pool(lab_host) as pool:
        try:
            quotas.race(dashboard, pool)
        finally:
            quotas.tidy(dashboard, pool)
