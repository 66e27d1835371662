"""Files of Debian packages that this machine does not install: fetched by apt, unpacked into a folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class BuildFailed(Exception):
    """The guest could not be built; the text says which step failed, what it said, and the likely way out."""


def run(*command: str | Path, cwd: Path | None = None, given: bytes | None = None) -> str:
    """What the program printed; BuildFailed when it is missing or fails."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    try:
        done = subprocess.run(command, cwd=cwd, input=given, env=environment, capture_output=True, check=True)
    except FileNotFoundError:
        raise BuildFailed(
            f"{command[0]} is not installed; install it with: sudo apt-get install {command[0]}"
        ) from None
    except subprocess.CalledProcessError as error:
        raise BuildFailed(f"{command[0]} failed:\n{error.stderr.decode(errors='replace').strip()}") from None
    return done.stdout.decode(errors="replace")


def newest_kernel() -> str:
    """The package that linux-image-cloud-amd64 stands for today."""
    for line in run("apt-cache", "depends", "--important", "linux-image-cloud-amd64").splitlines():
        word, _, name = line.strip().partition(" ")
        if word == "Depends:":
            return name
    raise BuildFailed("apt does not know linux-image-cloud-amd64; bring its lists up to date: sudo apt-get update")


def unpack(names: list[str], folder: Path) -> Path:
    """The folder into which the packages were downloaded and unpacked."""
    root = folder / "root"
    run("apt-get", "download", *names, cwd=folder)
    for package in folder.glob("*.deb"):
        run("dpkg-deb", "-x", package, root)
    return root
