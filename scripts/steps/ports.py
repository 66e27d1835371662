"""Who listens on a port, as far as this user may see."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path

LISTEN = "0A"


def is_taken(bind: str, port: int) -> bool:
    """Whether the front could not listen there; a bind that this machine does not have counts as taken."""
    address = "127.0.0.1" if bind == "localhost" else bind
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False


def listening_inodes(table: str, port: int) -> set[str]:
    """The inodes of the sockets in a /proc/net/tcp table that listen on the port."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[9] for row in rows if row[3] == LISTEN and int(row[1].rpartition(":")[2], 16) == port}


def holders(port: int) -> list[tuple[int, str]]:
    """(pid, program) of those whose sockets are ours to see."""
    inodes = set()
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            inodes |= listening_inodes(Path("/proc/net", name).read_text(), port)
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.fspath(link.readlink()) in wanted for link in (process / "fd").iterdir()):
                found.append((int(process.name), (process / "comm").read_text().strip()))
    return found


def left_over(register: Path) -> set[int]:
    """The pids that a killed supervisor of this state folder wrote down; the next one ends them."""
    try:
        return {int(pid) for pid, _ in json.loads(register.read_text())["processes"]}
    except (OSError, ValueError, KeyError):
        return set()


def complaint(bind: str, port: int, register: Path) -> str:
    """Who has the port and what to do; "" when it is free, or held by what the next supervisor ends."""
    if not is_taken(bind, port):
        return ""
    known = holders(port)
    if known and {pid for pid, _ in known} <= left_over(register):
        return ""
    who = ", ".join(f"{program} (pid {pid})" for pid, program in known) or "another user's program"
    return f"Port {port} on {bind} is taken by {who}. Take another: KVMWEB_PORT={port + 1} scripts/run"
