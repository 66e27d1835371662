"""Which kernel modules a wish brings along, and in what order they load."""

from __future__ import annotations

import lzma
import re
from pathlib import Path

DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def read_module(path: Path) -> bytes:
    """A module as insmod takes it; newer Debian kernels ship them compressed."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def in_order(wishes: list[str], folder: Path) -> dict[str, bytes]:
    """{name: module} of the wishes and of all that they depend on, each after what it needs."""
    paths = {path.name.partition(".ko")[0].replace("-", "_"): path for path in folder.rglob("*.ko*")}
    loaded: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in loaded or name not in paths:  # what has no file is built into the kernel
            return
        data = read_module(paths[name])
        found = DEPENDS.search(data)
        for needed in found[1].decode().split(",") if found and found[1] else []:
            add(needed.replace("-", "_"))
        loaded[name] = data

    for wish in wishes:
        add(wish)
    return loaded
