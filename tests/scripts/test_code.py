"""The copy of the code that the dashboard's users can read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from scripts.steps import code, site, units
from scripts.steps.work import ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in (
        "kvmweb/a.py",
        "kvmweb/__pycache__/a.pyc",
        "scripts/run",
        "static/dist/app.js",
        ".git/config",
        "notes",
    ):
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone" / name).write_text(name)
    (tmp_path / "clone/scripts/run").chmod(0o700)
    return tmp_path / "clone"


def test_a_clone_is_whole() -> None:
    assert all((ROOT / part).exists() for part in code.PARTS)


def test_only_what_runs_is_copied_and_others_can_read_it(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "homes").mkdir()
    target = tmp_path / "homes" / "one"
    before = os.umask(0o022)
    code.copy(clone, target)
    os.umask(before)
    modes = {str(path.relative_to(target)): path.stat().st_mode & 0o777 for path in target.rglob("*") if path.is_file()}
    assert modes == {"kvmweb/a.py": 0o644, "scripts/run": 0o755}
    assert (target / "kvmweb").stat().st_mode & 0o777 == 0o755


def test_another_content_has_another_name(clone: Path) -> None:
    first = code.digest(clone)
    (clone / "notes").write_text("another")
    (clone / "static/dist/app.js").write_text("another")
    assert code.digest(clone) == first
    (clone / "kvmweb/a.py").write_text("another")
    assert code.digest(clone) != first


def test_the_last_copies_stay_and_the_one_that_units_run(clone: Path, tmp_path: Path) -> None:
    homes = tmp_path / "homes"
    homes.mkdir()
    for number in range(4):
        code.copy(clone, homes / str(number))
        os.utime(homes / str(number), (number, number))
        if number == 0:
            (homes / code.CURRENT.name).symlink_to(homes / "0")
    shutil.copytree(clone, homes / "4.new")
    code.copy(clone, homes / "4")
    assert sorted(path.name for path in homes.iterdir()) == ["0", "3", "4", "current"]


def test_the_units_settings_are_taken_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "environment").write_text('# ours\nKVMWEB_PORT=8123\nKVMWEB_NODE="a b"\n\nKVMWEB_BIND=0.0.0.0\n')
    monkeypatch.setattr(units, "SETTINGS", tmp_path / "environment")
    monkeypatch.setattr(os, "environ", {**os.environ, "KVMWEB_BIND": "127.0.0.1"})
    units.read_settings()
    assert [site.given(f"KVMWEB_{name}") for name in ("PORT", "NODE", "BIND")] == ["8123", "a b", "127.0.0.1"]
