"""The demo's second host: begun once, started where it does not run, and taken away with all that it is.

It outlives the dashboard, as a machine does: Ctrl-C ends no VM.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import Final

from kvmweb.second import cable, namespaces
from kvmweb.supervisor.leftovers import Register
from kvmweb.supervisor.proc import identify, send
from vms.demo.machines import POOLS

NAME: Final = "demo-second"
# Where the disks of VMs are, as two hosts share a folder of a server.
IMAGES: Final = "/var/lib/libvirt/images"
QEMU: Final = Path("/etc/libvirt/qemu.conf")
# Whose its guests are, so that those on the machine below can read the same disks.
WHOSE: Final = re.compile(r"^\s*(?:user|group|dynamic_ownership)\s*=\s*[^#\n]+$", re.MULTILINE)
# As the machine's own: who is in the group has the rights of root.
LIBVIRTD: Final = """\
host_uuid = "{identity}"
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
unix_sock_ro_perms = "0770"
auth_unix_rw = "none"
auth_unix_ro = "none"
"""
ANSWERS_WITHIN: Final = 60.0
ENDS_WITHIN: Final = 20.0
# Where libvirt writes down what it has: VMs that are kept, those that run, storage pools.
KEPT: Final = ("etc/libvirt/qemu", "run/libvirt/qemu", "etc/libvirt/storage")


class Unable(Exception):
    """Why it does not start, or is not taken away."""


def libvirt_socket(folder: Path) -> Path:
    return folder / "run/libvirt/libvirt-sock"


def way(folder: Path) -> Path:
    """The file that tells the dashboard its UUID, its socket, and the addresses on the cable, its own the last."""
    return folder / "way.json"


def is_made(folder: Path) -> bool:
    """Whether it was begun, running or not."""
    return way(folder).exists()


def number(folder: Path) -> int:
    """Of its cable."""
    return int(json.loads(way(folder).read_text())["cable"])


def register(folder: Path) -> Register:
    return Register(folder / "process")


def answers(folder: Path) -> bool:
    """Whether its libvirtd takes a connection."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(libvirt_socket(folder)))
        except OSError:
            return False
    return True


def lives(folder: Path) -> bool:
    """Whether its first process runs."""
    return any(identify(one.pid) == one for one in register(folder).read())


def start(folder: Path, group: int) -> None:
    """Return when it answers; one that runs is left alone, with its VMs. group: who may pass to its socket. Raises
    Unable."""
    if not is_made(folder):
        begin(folder)
    if not lives(folder):
        boot(folder)
    for path in (folder, way(folder)):
        os.chown(path, 0, group)
    until = time.monotonic() + ANSWERS_WITHIN
    while not answers(folder):
        if not lives(folder):
            raise Unable(f"it ended; see {folder}/log")
        if time.monotonic() > until:
            raise Unable(f"its libvirtd does not answer; see {folder}/libvirtd.log")
        time.sleep(0.1)


def boot(folder: Path) -> None:
    """Its first process, and its cable. Raises Unable."""
    told = json.loads(way(folder).read_text())
    tell(folder, told["uuid"], cable.free(told["cable"]))
    # What ran is gone with its processes, and libvirt must not look for it.
    shutil.rmtree(folder / "run")
    (folder / "run/lock").mkdir(parents=True)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            namespaces.command(folder), env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, cwd="/",
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    found = identify(process.pid)
    register(folder).write([found] if found else [])
    try:
        plug(folder, process)
    except BaseException:
        end(folder)
        raise


def begin(folder: Path) -> None:
    """Lay out its files; what an interrupted start left goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o750, parents=True)
    whose = "".join(f"{line.strip()}\n" for line in WHOSE.findall(QEMU.read_text() if QEMU.exists() else ""))
    identity = str(uuid.uuid4())
    namespaces.lay_out(folder, NAME, libvirtd=LIBVIRTD.format(identity=identity), qemu=whose, shared=(IMAGES,))
    networks = folder / "etc/libvirt/qemu/networks"
    (networks / "autostart").mkdir()
    (networks / "autostart/default.xml").symlink_to("/etc/libvirt/qemu/networks/default.xml")
    # Of what is in these only its own processes see anything.
    for name in ("etc", "var"):
        (folder / name).chmod(0o700)
    tell(folder, identity, 0)


def tell(folder: Path, identity: str, number: int) -> None:
    """Write down how one comes to it, whole or not at all."""
    place = os.fspath(libvirt_socket(folder))
    told = {"uuid": identity, "cable": number, "addresses": cable.addresses(number), "socket": place}
    new = way(folder).with_suffix(".new")
    new.write_text(json.dumps(told))
    new.chmod(0o640)
    new.replace(way(folder))


def plug(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Give it its cable as soon as it is in a network of its own."""
    own, until = Path("/proc/self/ns/net").readlink(), time.monotonic() + ANSWERS_WITHIN
    while True:
        first = next(iter(namespaces.children(process.pid)), 0)
        if first and Path(f"/proc/{first}/ns/net").readlink() != own:
            break
        if process.poll() is not None or time.monotonic() > until:
            raise Unable(f"its first process does not start; see {folder}/log")
        time.sleep(0.05)
    try:
        cable.make(number(folder), first)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        raise Unable(f"no cable to it: {error}") from None


def left(folder: Path) -> list[str]:
    """The names of VMs, and of pools beside the demo's, that it has, also where it does not run."""
    return sorted({path.stem for place in KEPT for path in (folder / place).glob("*.xml")} - set(POOLS))


def remove(folder: Path) -> None:
    """Take it away, with everything in it. Raises Unable where it has VMs, or pools of somebody."""
    if has := left(folder):
        raise Unable(f"{NAME} stays: it has {', '.join(has)}, which the demo did not make")
    end(folder)
    shutil.rmtree(folder)


def end(folder: Path) -> None:
    """No process of it, and no cable, when this returns; nothing where it does not run. Raises Unable."""
    processes = register(folder).read()
    for one in processes:
        send(one, signal.SIGKILL)
    until = time.monotonic() + ENDS_WITHIN
    while any(identify(one.pid) == one for one in processes) or answers(folder):
        if time.monotonic() > until:
            raise Unable(f"it does not end; see {folder}/log")
        time.sleep(0.05)
    if is_made(folder):
        cable.remove(number(folder))
