"""An empty store in a file or a schema of each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.metrics.emptied import emptied


@pytest.fixture
def store(db: None) -> Iterator[None]:
    yield from emptied()
