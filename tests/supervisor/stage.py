"""A family of small programs under a real supervisor loop, in a process of its own: it reaps and takes signals.

`python -m tests.supervisor.stage FOLDER NAME=SHELL_LINE...` ends what is left over, then runs until asked to stop.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kvmweb.supervisor.child import Child, adopt_orphans
from kvmweb.supervisor.family import Family, block_signals
from kvmweb.supervisor.leftovers import Register, end
from kvmweb.supervisor.processes import Program


def main(folder: Path, lines: list[str]) -> None:
    register = Register(folder / "processes.json")
    end(register.read(), grace=0.5)
    block_signals()
    adopt_orphans()
    children = []
    for line in lines:
        name, _, command = line.partition("=")
        program = Program(name, ("/bin/sh", "-c", command), grace=0.5)
        children.append(Child(program, folder / f"{name}.log", {"PATH": "/usr/bin:/bin", "FOLDER": str(folder)}))
    family = Family(children, register)
    for child in children:
        family.start(child)
    (folder / "up").touch()
    while not family.wait(60):
        pass
    family.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
