"""Run a program that sees another machine than there is: a clock that is off, or a disk that is small.

Called as `python otherwise.py clock LIBRARY -- PROGRAM...` or `python otherwise.py disk FOLDER SIZE -- PROGRAM...` in
a mount namespace of its own, with which it ends: nothing of it is seen outside, and nothing is left.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


def set_clock(library: Path) -> None:
    """Have every program load the library: the system's own list of such is laid over with ours."""
    over = Path(tempfile.mkdtemp(dir=library.parent))
    (over / "ld.so.preload").write_text(f"{library}\n")
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={over}:/etc", "/etc")


def shrink_disk(folder: Path, size: str) -> None:
    """Put what is in the folder on a disk of that size, in its place."""
    disk = folder.with_name("disk")
    disk.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", disk)
    shutil.copytree(folder, disk, dirs_exist_ok=True)
    mount("--move", disk, folder)


def main() -> None:
    at = sys.argv.index("--")
    how, *words = sys.argv[1:at]
    mount("--make-rprivate", "/")
    if how == "clock":
        set_clock(Path(words[0]))
    else:
        shrink_disk(Path(words[0]), words[1])
    program = sys.argv[at + 1 :]
    os.execvp(program[0], program)


main()
