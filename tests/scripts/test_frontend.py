"""Which Node is good enough."""

from __future__ import annotations

import pytest

from scripts.steps.frontend import major


@pytest.mark.parametrize(("version", "number"), [("v18.20.4\n", 18), ("v24.1.0", 24), ("", 0), ("nonsense", 0)])
def test_it_reads_what_node_says(version: str, number: int) -> None:
    assert major(version) == number
