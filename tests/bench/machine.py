"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import libvirt

from kvmweb.environment import REDIS_PROGRAM
from tests.lab.guests import domain_type

PACKAGES = ("Django", "channels", "uvicorn", "celery", "libvirt-python", "websockify")


def answer(*command: str, executable: str | None = None) -> str:
    """The first line that a program says of itself."""
    done = subprocess.run(command, executable=executable, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def number(text: str) -> str:
    """The first word that begins like a version."""
    return next((word for word in text.replace("/", " ").replace("v=", " ").split() if word[:1].isdigit()), "?")


def libvirt_version() -> str:
    found = libvirt.getVersion()
    return f"{found // 1_000_000}.{found // 1000 % 1000}.{found % 1000}"


def memory_gib() -> float:
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemTotal"].split()[0]) / (1 << 20)


def facts() -> list[str]:
    """A line each: when, on what, with what, and how busy the machine was with other things."""
    emulation = "software emulation (TCG)" if domain_type() == "qemu" else "hardware virtualization (KVM)"
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    programs = {
        "Python": platform.python_version(),
        "libvirt": libvirt_version(),
        "QEMU": number(answer("qemu-system-x86_64", "--version")),
        "nginx": number(answer("/usr/sbin/nginx", "-v")),
        "Redis": number(answer("redis-server", "--version", executable=REDIS_PROGRAM)),
        "Chromium": number(answer("/usr/bin/chromium", "--version")),
        **{name: version(name) for name in PACKAGES},
    }
    return [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `python -m tests.bench`.",
        f"{os.cpu_count()} cores, {memory_gib():.0f} GiB, {system}, guests in {emulation}.",
        ", ".join(f"{name} {found}" for name, found in programs.items()) + ".",
    ]
