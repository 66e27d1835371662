"""What will be changed, and the one question."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from scripts.steps.work import Step, asks

WHY_SUDO = "sudo is for these lines alone (packages, group, libvirtd): the dashboard itself runs as you."


def changes(steps: Sequence[Step], root: Path, state: Path) -> list[str]:
    """The list of what a first start does to the machine."""
    lines = ["This will, on this machine:"]
    for step in steps:
        if step.changes:
            lines += textwrap.wrap(step.changes, 110, initial_indent="  * ", subsequent_indent="    ")
    lines.append(f"  * build its Python and front-end parts in {root} (.venv, node_modules, static/dist)")
    lines.append(f"  * keep its data in {state}, closed to others")
    if os.geteuid() != 0 and any(step.sudo for step in steps):
        lines.append(WHY_SUDO)
    return lines


def agreed(steps: Sequence[Step], root: Path, state: Path, *, yes: bool) -> bool:
    """Whether to go on: asked only where the machine is changed outside of clone and state folder."""
    if not any(step.changes for step in steps):
        return True
    print("\n".join(changes(steps, root, state)))
    if yes:
        return True
    if not sys.stdin.isatty():
        print("Nobody is there to ask; agree with: scripts/run --yes")
        return False
    return input("Go on? [Y/n] ").strip().lower() in ("", "y", "yes")


def may_sudo(steps: Sequence[Step]) -> bool:
    """Ask for sudo's password now rather than in the middle; True where it is not needed."""
    if os.geteuid() == 0 or not any(step.sudo for step in steps):
        return True
    return asks("sudo", "-n", "true") or subprocess.run(["sudo", "-v"], check=False).returncode == 0
