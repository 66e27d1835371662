"""The first process of a lab host: its own folders, its own network, virtlogd, libvirtd, and perhaps sshd.

Called as `python inside.py FOLDER NAME` in fresh namespaces. It starts again what ends, and reaps what is orphaned;
when it ends, the kernel ends everything in its process namespace: libvirtd, QEMU, dnsmasq.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

LOG, VIRT, SSH = "/usr/sbin/virtlogd", "/usr/sbin/libvirtd", "/usr/sbin/sshd"
CLOSED = ((LOG,), (VIRT,))
# With doors (tests/lab/doors.py).
OPEN = ((LOG,), (VIRT, "--listen"), (SSH, "-D", "-f", "/run/lab/sshd_config"))
FOLDERS = ("etc/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt", "run")
# Of a host with doors only.
OWN = ("etc/passwd", "etc/shadow", "root")


def settle(folder: Path, name: str) -> None:
    """Nothing of the machine's own libvirt is seen or touched from here on."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for path in (*FOLDERS, *(path for path in OWN if (folder / path).exists())):
        subprocess.run(["mount", "--bind", folder / path, Path("/") / path], check=True)
    subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)  # libvirt looks for bridges there
    subprocess.run(["hostname", name], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main() -> None:
    folder, name = Path(sys.argv[1]), sys.argv[2]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    settle(folder, name)
    daemons = OPEN if (folder / "run/lab").exists() else CLOSED
    running: dict[int, tuple[str, ...]] = {}
    while True:
        for daemon in daemons:
            if daemon not in running.values():
                log = (folder / f"{Path(daemon[0]).name}.log").open("ab")
                running[subprocess.Popen(daemon, stdout=log, stderr=log, close_fds=True).pid] = daemon
                log.close()
        ended, _ = os.wait()
        running.pop(ended, None)


main()
