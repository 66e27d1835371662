"""The first process of a fleet: starts its libvirtds, makes their VMs, and does both again for one that ends.

Called as `python -m tests.lab.fleet_inside FOLDER HOSTS EACH` in namespaces of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import libvirt

from tests.lab.fleet import numbers
from tests.lab.machine import eventually
from vms.demo import fleet

# Forty would be five threads each.
SETTINGS = """\
host_uuid = "{identity}"
unix_sock_dir = "{place}"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
min_workers = 1
max_workers = 5
prio_workers = 1
admin_min_workers = 1
"""


class Machine:
    """One libvirtd. The connection that is kept is what keeps the VMs: the test driver forgets them with its last."""

    def __init__(self, place: Path, host: int, each: int) -> None:
        self.place = place
        self.numbers = numbers(host, each)
        place.mkdir()
        (place / "libvirtd.conf").write_text(SETTINGS.format(identity=uuid.uuid4(), place=place))

    def start(self) -> None:
        # Without modules there is no driver that asks about this machine.
        environment = {**os.environ, "LIBVIRT_DRIVER_DIR": str(self.place)}
        words = ["/usr/sbin/libvirtd", "-f", str(self.place / "libvirtd.conf"), "-p", str(self.place / "pid")]
        with (self.place / "log").open("ab") as log:
            self.process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def make(self) -> None:
        """Its VMs, as soon as it answers; libvirt's own example goes."""
        self.kept = eventually(self.connect, f"{self.place.name} answers", within=120)
        example = self.kept.lookupByName("test")
        example.destroy()
        example.undefine()
        for number in self.numbers:
            domain = self.kept.defineXML(fleet.document(number))
            if fleet.state(number) != "shut_off":
                domain.create()
            if fleet.state(number) == "paused":
                domain.suspend()

    def connect(self) -> libvirt.virConnect | None:
        try:
            return libvirt.open(f"test+unix:///default?socket={self.place}/libvirt-sock")
        except libvirt.libvirtError:
            return None


def main() -> None:
    folder, hosts, each = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    # A hundred machines would have processors of their own: these take what the dashboard leaves.
    os.nice(10)
    # libvirtd makes a folder below /run whatever it is told.
    (folder / "run").mkdir()
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", folder / "run", "/run"], check=True)
    machines = [Machine(folder / f"rack-{host:03}", host, each) for host in range(hosts)]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.make()
    (folder / "made").touch()
    while True:
        ended, _ = os.wait()
        for machine in machines:
            if machine.process.pid == ended:
                machine.start()
                machine.make()


if __name__ == "__main__":
    main()
