"""What the site sets, and a state folder that is closed to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmweb import environment
from kvmweb.environment import BadSetting, State


def test_a_setting_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("8123\n")
    monkeypatch.setenv("KVMWEB_PORT_FILE", str(tmp_path / "port"))
    assert environment.load().port == 8123


def test_the_variable_wins_over_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("8123")
    monkeypatch.setenv("KVMWEB_PORT_FILE", str(tmp_path / "port"))
    monkeypatch.setenv("KVMWEB_PORT", "8124")
    assert environment.load().port == 8124


def test_a_port_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVMWEB_PORT", "http")
    with pytest.raises(BadSetting, match="KVMWEB_PORT='http'"):
        environment.load()


@pytest.mark.parametrize(
    ("bind", "tls"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("192.0.2.1", True)]
)
def test_tls_is_on_whenever_others_can_reach_the_port(monkeypatch: pytest.MonkeyPatch, bind: str, tls: bool) -> None:
    monkeypatch.setenv("KVMWEB_BIND", bind)
    assert environment.load().tls is tls


def test_the_state_folder_is_made_closed(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.prepare()
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in state.folders())


def test_a_state_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(BadSetting, match="open to others"):
        State(folder).prepare()


def test_a_state_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to(tmp_path / "real")
    with pytest.raises(BadSetting, match="not a folder of its own"):
        State(tmp_path / "state").prepare()


def test_a_path_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="too long"):
        State(tmp_path / ("x" * 100)).prepare()


def test_a_secret_is_made_once_and_closed(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    state.prepare()
    first = state.secret_key
    assert len(first) == 100 and state.secret_key == first != state.instance
    assert (state.root / "secret_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "url", ["", "unix:///run/redis.sock?db=2", "redis://localhost:6379/0", "rediss://:secret@redis.example.org:6380/0"]
)
def test_a_redis_nobody_can_listen_to_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KVMWEB_REDIS_URL", url)
    found = environment.load()
    assert found.redis_url == url
    assert found.own_redis is (url == "")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://:secret@redis.example.org:6379/0", "TLS and a password"),
        ("rediss://redis.example.org:6380/0", "TLS and a password"),
        ("http://localhost/", "TLS and a password"),
        ("rediss://:secret@redis.example.org:6380/0?ssl_cert_reqs=none", "check of the server"),
    ],
)
def test_a_redis_that_others_could_read_is_refused(monkeypatch: pytest.MonkeyPatch, url: str, why: str) -> None:
    monkeypatch.setenv("KVMWEB_REDIS_URL", url)
    with pytest.raises(BadSetting, match=why) as refused:
        environment.load()
    assert "secret" not in str(refused.value)


def test_there_may_be_several_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVMWEB_PROCESSES", "web=2, console=3")
    found = environment.load()
    assert found.programs("web") == ["web", "web-2"]
    assert found.programs("console") == ["console", "console-2", "console-3"]
    assert found.programs("watcher") == ["watcher"]


@pytest.mark.parametrize("text", ["web", "web=0", "web=17", "web=-1", "redis=2", "web=2;worker=2", "web=x"])
def test_a_number_of_processes_that_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KVMWEB_PROCESSES", text)
    with pytest.raises(BadSetting, match="KVMWEB_PROCESSES"):
        environment.load()


def test_libosinfos_data_is_where_it_and_xdg_put_it_or_where_the_site_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_DIRS", "/opt/share:/usr/share")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/x/.config")
    monkeypatch.delenv("KVMWEB_OSINFO_DIRS")
    assert [str(folder) for folder in environment.load().osinfo] == [
        "/usr/share/osinfo", "/opt/share/osinfo", "/etc/osinfo", "/home/x/.config/osinfo"
    ]  # fmt: skip
    monkeypatch.setenv("KVMWEB_OSINFO_DIRS", "/a:/b:")
    assert environment.load().osinfo == (Path("/a"), Path("/b"))
