"""No process of the dashboard starts on a database whose tables it does not know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ("-m", "uvicorn", "kvmweb.asgi:application", "--lifespan", "on", "--uds", "{state}/run/web.sock")


@pytest.mark.parametrize(
    "words", [WEB, ("manage.py", "watch"), ("manage.py", "work"), ("manage.py", "relay")], ids=lambda words: words[-1]
)
def test_it_refuses_an_empty_database_and_says_why(words: tuple[str, ...], tmp_path: Path) -> None:
    state = tmp_path / "state"
    done = subprocess.run(
        [sys.executable, *(word.format(state=state) for word in words)], cwd=ROOT, timeout=60,
        env={**os.environ, "KVMWEB_STATE_DIR": str(state), "KVMWEB_DATABASE_URL": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "older than this program" in done.stdout + done.stderr
