"""Loaded before Django's settings (pytest's -p): the suite has a state folder of its own, which ends with it."""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from kvmweb.environment import REDIS_PROGRAM
from tests.postgresql import PostgreSQL

# A heap of imported modules that grows to the end is looked through for rubbish again and again: a fifth of a run.
gc.set_threshold(20_000, 20, 20)

FOLDER = Path(tempfile.mkdtemp(prefix="kvmweb-test-"))
STATE = FOLDER / "state"
os.environ["KVMWEB_STATE_DIR"] = str(STATE)
KEPT = ("KVMWEB_STATE_DIR", "KVMWEB_CACHE_DIR")
for setting in [name for name in os.environ if name.startswith("KVMWEB_")]:
    if not setting.startswith((*KEPT, "KVMWEB_TEST_")):
        del os.environ[setting]

# The same on every machine, whatever data of libosinfo it has.
os.environ["KVMWEB_OSINFO_DIRS"] = str(FOLDER / "osinfo")

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)
redis: subprocess.Popen[bytes] | None = None
postgresql = PostgreSQL() if os.environ.get("KVMWEB_TEST_DATABASE") == "postgresql" else None
if postgresql:
    os.environ["KVMWEB_DATABASE_URL"] = postgresql.url


def end_with_this_process() -> None:
    """A child's last step before its program: a test over its limit ends pytest without another word."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def start_redis() -> None:
    """A Redis of the suite's own on the socket that the settings name."""
    global redis
    if redis is None:
        redis = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(STATE / "run" / "redis.sock"), "--save", "",
             "--logfile", str(STATE / "logs" / "redis.log")],
            cwd=STATE, executable=REDIS_PROGRAM, stdout=subprocess.DEVNULL, preexec_fn=end_with_this_process,
        )  # fmt: skip


def pytest_collection_finish(session: pytest.Session) -> None:
    """What has been imported by now stays."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    if redis is not None:
        redis.terminate()
        redis.wait()
    if postgresql:
        postgresql.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)
