"""Runs a command with Unix users of its own and the code where they can read it; nothing of both is on the machine.

Called as `unshare --mount python apart.py FOLDER CODE PYTHON WORD...`: FOLDER holds passwd and group, CODE is the
repository, PYTHON its virtual environment. The command is that environment's Python with the words.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE, PYTHON = Path("/mnt/code"), Path("/mnt/python")


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


def main() -> None:
    folder, code, python = map(Path, sys.argv[1:4])
    mount("--make-rprivate", "/")
    for name in ("passwd", "group"):
        mount("--bind", folder / name, Path("/etc", name))
    # Wherever the clone lies, in a home closed to others perhaps.
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/mnt")
    for source, place in ((code, CODE), (python, PYTHON)):
        place.mkdir()
        mount("--bind", source, place)
    os.chdir(CODE)
    os.execv(PYTHON / "bin/python", [os.fspath(PYTHON / "bin/python"), *sys.argv[4:]])


if __name__ == "__main__":
    main()
