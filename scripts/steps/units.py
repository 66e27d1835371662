"""systemd's units instead of a terminal: they start with the machine and outlive every log-in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.steps import hypervisor
from scripts.steps.code import CURRENT
from scripts.steps.work import ROOT, Log, asks

if TYPE_CHECKING:
    from kvmweb.environment import Environment

FOLDER = Path("/etc/systemd/system")
TARGET = "kvmweb.target"
SETTINGS = Path("/etc/kvmweb/environment")
STATE = Path("/var/lib/kvmweb")
SEVERAL = ("web", "worker", "watcher", "console", "transfer")


def active() -> bool:
    """Whether the dashboard runs as units now."""
    return hypervisor.has_systemd() and asks("systemctl", "-q", "is-active", TARGET)


def complaint(environment: Environment) -> str:
    """Why there can be no units here, or ""."""
    if os.geteuid() != 0:
        return "Units are root's: sudo scripts/run --units"
    if not hypervisor.has_systemd():
        return "systemd does not run this machine; scripts/run alone does without it."
    if environment.state.root != STATE:
        return f"The units keep their state in {STATE}; leave KVMWEB_STATE_DIR unset."
    return ""


def read_settings() -> None:
    """The units' settings are this start's too; what is in the environment already wins."""
    if SETTINGS.exists():
        pairs = (line.partition("=") for line in SETTINGS.read_text().splitlines() if not line.startswith("#"))
        for name, _, value in pairs:
            if name.strip():
                os.environ.setdefault(name.strip(), value.strip().strip("\"'"))


def wanted(environment: Environment) -> list[str]:
    """The units of the processes that these settings ask for."""
    redis = ["kvmweb-redis.service"] if environment.own_redis else []
    several = [f"kvmweb-{name}@{one}.service" for name in SEVERAL for one in environment.programs(name)]
    return [*redis, *several, "kvmweb-front.service"]


def stop(log: Log) -> None:
    """So that nobody works on the tables while they change."""
    log.run("systemctl", "stop", TARGET)


def install(environment: Environment, log: Log) -> None:
    """The units of this code, in the place of those of another; started, and with the machine from now on."""
    for unit in sorted((ROOT / "deploy").glob("kvmweb*")):
        shutil.copyfile(unit, FOLDER / unit.name)
        (FOLDER / unit.name).chmod(0o644)
    link = CURRENT.with_suffix(".new")
    link.unlink(missing_ok=True)
    link.symlink_to(ROOT)
    link.replace(CURRENT)
    log.run("systemctl", "daemon-reload")
    names = wanted(environment)
    former = sorted(path.name for path in (FOLDER / f"{TARGET}.wants").glob("kvmweb-*") if path.name not in names)
    if former:
        log.run("systemctl", "disable", *former)
    log.run("systemctl", "enable", TARGET, *names)
    log.run("systemctl", "start", TARGET)
