"""What the dashboard's processes are started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmweb import environment
from kvmweb.supervisor import logs
from kvmweb.supervisor.processes import children_environment, programs


def test_children_never_see_the_first_password_nor_the_shells_secrets() -> None:
    given = {
        "KVMWEB_ADMIN_PASSWORD": "x",
        "KVMWEB_ADMIN_PASSWORD_FILE": "/x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PATH": "/bin",
    }
    seen = children_environment({**given, "KVMWEB_PORT": "9"})
    assert seen["KVMWEB_PORT"] == "9" and seen["PATH"] == "/bin"
    assert not {"KVMWEB_ADMIN_PASSWORD", "KVMWEB_ADMIN_PASSWORD_FILE", "AWS_SECRET_ACCESS_KEY"} & set(seen)


def test_redis_comes_first_and_the_front_last() -> None:
    names = [program.name for program in programs(environment.load(), Path("nginx.conf"))]
    assert names[0] == "redis" and names[-1] == "front"
    assert set(names) == {"redis", "web", "worker", "watcher", "console", "transfer", "front"}


def test_web_pings_within_the_fronts_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVMWEB_PROXY_TIMEOUT", "5")
    [web] = [program for program in programs(environment.load(), Path("c")) if program.name == "web"]
    assert float(web.argv[web.argv.index("--ws-ping-interval") + 1]) < 2.5


def test_a_log_that_grew_too_large_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with log.open("ab") as writer:
        writer.write(b"x" * 100)
        writer.flush()
        logs.bound(tmp_path, most=50)
        writer.write(b"after")
    assert log.read_bytes() == b"after"
    assert (tmp_path / "web.log.1").read_bytes() == b"x" * 100


def test_a_small_log_stays(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_bytes(b"x")
    logs.bound(tmp_path, most=50)
    assert (tmp_path / "web.log").read_bytes() == b"x"
