"""The first process of such a machine: its own folders, its own network, virtlogd, libvirtd, and what else was told.

Called as `python inside.py FOLDER` in fresh namespaces, with what namespaces.lay_out wrote in FOLDER. It starts again
what ends, and reaps what is orphaned; when it ends, the kernel ends everything in its process namespace: libvirtd,
QEMU, dnsmasq.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDERS = ("etc/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt", "run")
# Of a machine that people sign in to.
OWN = ("etc/passwd", "etc/shadow", "root")
# What ends at once will do so again.
AT_ONCE = 1.0


def settle(folder: Path, name: str, shared: list[str]) -> None:
    """Nothing of this machine's own libvirt is seen or touched from here on, but the shared folders."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for path in shared:
        subprocess.run(["mount", "--rbind", path, folder / path.lstrip("/")], check=True)
    for path in (*FOLDERS, *(path for path in OWN if (folder / path).exists())):
        subprocess.run(["mount", "--rbind", folder / path, Path("/") / path], check=True)
    subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)  # libvirt looks for bridges there
    subprocess.run(["hostname", name], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main() -> None:
    folder = Path(sys.argv[1])
    told = json.loads((folder / "machine.json").read_text())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    settle(folder, told["name"], told["shared"])
    daemons = [tuple(words) for words in told["daemons"]]
    running: dict[int, tuple[str, ...]] = {}
    while True:
        for daemon in daemons:
            if daemon not in running.values():
                log = (folder / f"{Path(daemon[0]).name}.log").open("ab")
                running[subprocess.Popen(daemon, stdout=log, stderr=log, close_fds=True).pid] = daemon
                log.close()
        began = time.monotonic()
        ended, _ = os.wait()
        if running.pop(ended, None) and time.monotonic() - began < AT_ONCE:
            time.sleep(AT_ONCE)


main()
