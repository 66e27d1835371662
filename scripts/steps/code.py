"""The code where the dashboard's two Unix users can read it and nobody but root can write it: /opt/kvmweb/DIGEST.

A clone may lie in root's home, which is closed to them. Each content has a folder of its own, in which its scripts/run
goes on: environment and front end are built there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from scripts.steps.work import ROOT, Step

HOMES = Path("/opt/kvmweb")
# Whose code systemd's units run.
CURRENT = HOMES / "current"
PARTS = (
    ".npmrc", "deploy", "kvmweb", "manage.py", "package-lock.json", "package.json", "requirements-build.txt",
    "requirements.txt", "scripts", "static", "templates", "vms",
)  # fmt: skip
KEPT = 2


def files(root: Path) -> Iterator[Path]:
    """What a clone runs, without what is built; names relative to it."""
    for part in PARTS:
        place = root / part
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            name = path.relative_to(root)
            if path.is_file() and "__pycache__" not in name.parts and name.parts[:2] != ("static", "dist"):
                yield name


def digest(root: Path) -> str:
    """Another content has another one, whether somebody committed it or not."""
    together = hashlib.sha256()
    for name in files(root):
        together.update(os.fsencode(name) + b"\0" + (root / name).read_bytes() + b"\0")
    return together.hexdigest()[:12]


def home() -> Path:
    """Where this code is to run."""
    return ROOT if ROOT.parent == HOMES else HOMES / digest(ROOT)


def copy(source: Path, target: Path) -> None:
    """Whole or not at all; older copies go, but the last and the one that units run."""
    building = target.with_suffix(".new")
    shutil.rmtree(building, ignore_errors=True)
    for name in files(source):
        (building / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.copyfile(source / name, building / name)
        (building / name).chmod(0o755 if os.access(source / name, os.X_OK) else 0o644)
    building.rename(target)
    copies = [path for path in target.parent.iterdir() if path.is_dir() and not path.is_symlink()]
    in_use = (target.parent / CURRENT.name).resolve()
    for old in sorted(copies, key=lambda path: path.stat().st_mtime)[:-KEPT]:
        if old not in (in_use, target):
            shutil.rmtree(old)


def step(target: Path) -> Step | None:
    """None where it is there."""
    if target.exists():
        return None
    changes = "" if HOMES.exists() else f"copy its code to {HOMES}, where these users can read it"
    return Step(f"Code in {target}", "code", lambda log: copy(ROOT, target), changes)


def go_on_in(target: Path, options: Sequence[str]) -> NoReturn:
    """The same start, by the copy."""
    os.chdir(target)
    os.execv("/usr/bin/python3", ["/usr/bin/python3", "-B", "-m", "scripts.steps", *options])
