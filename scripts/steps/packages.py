"""Debian packages, installed without their services being started."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.steps.hypervisor import BUS, answers
from scripts.steps.work import ROOT, Log, Step

POLICY = Path("/usr/sbin/policy-rc.d")
SAVED = Path("/usr/sbin/policy-rc.d.before-kvmweb")
MARK = "# Written by kvmweb's scripts/run for the time of one installation."
NO_SERVICES = f"#!/bin/sh\n{MARK}\nexit 101\n"
# Installed only for their programs, nobody asked for the services; by package.
KEPT_OFF = {"nginx": "nginx.service", "openssh-server": "ssh.service"}
RELOAD = (
    "dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ReloadConfig",
)  # fmt: skip
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=120", "-q")


def wanted(*lists: str) -> list[str]:
    """The package names in these files of scripts/."""
    lines = [line.strip() for name in lists for line in (ROOT / "scripts" / name).read_text().splitlines()]
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def installed(status: str) -> set[str]:
    """The names that dpkg calls installed; status: its "${Package} ${db:Status-Status}" lines."""
    return {line.split()[0] for line in status.splitlines() if line.endswith(" installed")}


def missing(names: Sequence[str]) -> list[str]:
    """Those that are not installed."""
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n", *names],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    present = installed(answer.stdout)
    return [name for name in names if name not in present]


def is_ours(path: Path) -> bool:
    return path.exists() and MARK in path.read_text(errors="replace")


@contextlib.contextmanager
def services_off(log: Log) -> Iterator[None]:
    """What apt installs meanwhile is not started; a policy of the machine's own is back afterwards.

    A start that was killed in here leaves our file; the next one knows it by its mark and takes it away.
    """
    if POLICY.exists() and not is_ours(POLICY):
        log.sudo("mv", POLICY, SAVED)
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as policy:
        policy.write(NO_SERVICES)
        policy.flush()
        log.sudo("install", "-m", "755", policy.name, POLICY)
    try:
        yield
    finally:
        restore(log)


def restore(log: Log) -> None:
    """As it was before services_off."""
    if is_ours(POLICY):
        log.sudo("rm", "-f", POLICY)
    if SAVED.exists():
        log.sudo("mv", SAVED, POLICY)


def install(names: Sequence[str], log: Log) -> None:
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l")
    kept_off = [service for name, service in KEPT_OFF.items() if name in names]
    with services_off(log):
        # Ends what a killed installation left half done; nothing to do otherwise.
        log.sudo(*quiet, "dpkg", "--configure", "-a", "--force-confdef", "--force-confold")
        log.sudo(*quiet, *APT, "update")
        log.sudo(*quiet, *APT, "install", "-y", "--no-install-recommends", *names)
    if "polkitd" in names and answers(BUS):
        # With services off the package does not tell a running bus of polkit's user, without whom polkit cannot start.
        log.sudo(*RELOAD)
    for service in kept_off:
        if Path("/usr/bin/systemctl").exists():
            log.sudo("systemctl", "disable", service)


def step(names: Sequence[str]) -> Step | None:
    """None where all are there."""
    absent = missing(names)
    if not absent and not is_ours(POLICY):
        return None
    changes = f"install {len(absent)} Debian packages and what they need, services off: {' '.join(absent)}"
    return Step(f"Debian packages ({len(absent)})", "apt", lambda log: install(absent, log), changes, sudo=True)
