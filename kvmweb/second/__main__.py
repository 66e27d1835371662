"""`python -m kvmweb.second start FOLDER [GROUP]`, `python -m kvmweb.second remove FOLDER`: as root. GROUP: the number
of the one whose members may pass to its socket."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kvmweb.second import machine


def main() -> str:
    """What is wrong, "" where it was done."""
    # What libvirt lays out is read by its guests' accounts.
    os.umask(0o022)
    verb, folder, *group = sys.argv[1:]
    try:
        if verb == "remove":
            machine.remove(Path(folder))
        else:
            machine.start(Path(folder), int(group[0]) if group else 0)
    except machine.Unable as problem:
        return str(problem)
    return ""


if __name__ == "__main__":
    sys.exit(main() or 0)
