"""The virtual environment: Debian's Python, packages pinned with hashes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from scripts.steps.stamps import Stamp
from scripts.steps.work import ROOT, Log, Step, asks

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PIP = (PYTHON, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--require-hashes")


def usable() -> bool:
    """Whether the environment is made from /usr/bin/python3 and has pip; a killed start may leave half of one."""
    configuration = VENV / "pyvenv.cfg"
    if not configuration.exists() or "home = /usr/bin\n" not in configuration.read_text():
        return False
    return asks(PYTHON, "-c", "import pip")


def install(requirements: Sequence[str], stamp: Stamp, log: Log) -> None:
    """pip installs what the file pins; libvirt's binding is compiled here, with pinned build tools."""
    if not usable():
        log.run("/usr/bin/python3", "-m", "venv", "--clear", VENV)
    log.run(*PIP, "--only-binary", ":all:", "-r", "requirements-build.txt")
    for name in requirements:
        log.run(
            *PIP, "--no-build-isolation", "--only-binary", ":all:", "--no-binary", "libvirt-python", "-r", name
        )  # fmt: skip
    stamp.set()


def step(requirements: Sequence[str] = ("requirements.txt",)) -> Step | None:
    """None where these very versions are installed."""
    sources = [ROOT / "requirements-build.txt", *(ROOT / name for name in requirements)]
    stamp = Stamp(VENV / f".stamp-{Path(requirements[-1]).stem}", sources, os.fspath(VENV))
    if stamp.fits() and usable():
        return None
    return Step("Python packages", "pip", lambda log: install(requirements, stamp, log))
