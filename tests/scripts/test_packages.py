"""Debian packages: which are missing, and services kept off while they come."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.steps import packages
from scripts.steps.work import Log


def test_what_was_removed_but_for_its_settings_is_not_installed() -> None:
    status = "nginx installed\nqemu-utils config-files\ngcc half-installed\n"
    assert packages.installed(status) == {"nginx"}


def test_it_asks_dpkg() -> None:
    assert packages.missing(["dpkg", "surely-no-such-package"]) == ["surely-no-such-package"]


def test_all_wanted_are_named_once() -> None:
    names = packages.wanted("packages.txt", "packages-demo.txt", "packages-test.txt")
    assert "nginx" in names and len(names) == len(set(names))
    assert not [name for name in names if " " in name or name.startswith("#")]


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of policy-rc.d, where this user may write."""
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(packages, "SAVED", tmp_path / "saved")
    monkeypatch.setattr("scripts.steps.work.as_root", lambda command: list(command))
    return tmp_path / "policy-rc.d"


def test_services_stay_off_meanwhile_and_nothing_is_left(policy: Path, tmp_path: Path) -> None:
    with packages.services_off(Log(tmp_path / "log")):
        assert "exit 101" in policy.read_text()
        assert policy.stat().st_mode & 0o111
    assert not policy.exists()


def test_the_machines_own_policy_is_back_even_after_a_failure(policy: Path, tmp_path: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 104\n")
    with pytest.raises(RuntimeError), packages.services_off(Log(tmp_path / "log")):
        assert "exit 101" in policy.read_text()
        raise RuntimeError
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"


def test_what_a_killed_start_left_is_cleared_by_the_next(policy: Path, tmp_path: Path) -> None:
    policy.write_text(packages.NO_SERVICES)
    (tmp_path / "saved").write_text("#!/bin/sh\nexit 104\n")
    with packages.services_off(Log(tmp_path / "log")):
        assert packages.is_ours(policy)
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"


def test_a_left_policy_alone_is_reason_enough_for_the_step(policy: Path) -> None:
    assert packages.step(["dpkg"]) is None
    policy.write_text(packages.NO_SERVICES)
    assert packages.step(["dpkg"]) is not None
