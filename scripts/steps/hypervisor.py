"""libvirt on this machine: running, and willing to talk to this user; with and without systemd."""

from __future__ import annotations

import getpass
import grp
import os
import pwd
import socket
import time
from pathlib import Path

from scripts.steps.work import Failed, Log, Step, asks

GROUP = "libvirt"
URI = "qemu:///system"
SOCKET = Path("/run/libvirt/libvirt-sock")
BUS = Path("/run/dbus/system_bus_socket")
PID_FILE = Path("/run/libvirtd.pid")
UNITS = ("virtlogd.socket", "virtlockd.socket", "libvirtd.socket", "libvirtd.service")


def has_systemd() -> bool:
    """Whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir()


def answers(path: Path) -> bool:
    """Whether a daemon is behind the socket; one that may not be opened counts."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except PermissionError:
            return True
        except OSError:
            return False
    return True


def virsh(user: str) -> tuple[str, ...]:
    """The question whether libvirt lets that user in, asked by root in his place; "": by this one himself."""
    return (*(("runuser", "-u", user, "--") if user else ()), "virsh", "-q", "-c", URI, "uri")


def lets_in(user: str = "") -> bool:
    """Whether libvirt answers that user now."""
    return answers(SOCKET) and asks(*virsh(user))


def in_group(user: str) -> bool:
    """What the user database says, which is what polkit asks; this session may not know yet."""
    try:
        return user in grp.getgrnam(GROUP).gr_mem or pwd.getpwnam(user).pw_gid == grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return False


def needs_sg() -> bool:
    """Whether only the group opens the socket and this session does not have it yet."""
    try:
        return os.geteuid() != 0 and not os.access(SOCKET, os.W_OK) and in_group(getpass.getuser())
    except OSError:
        return False


def start(log: Log, *, asked: bool) -> None:
    """libvirtd and its helpers, by units or by themselves; asked: also polkit, which libvirtd asks who one is."""
    if has_systemd():
        log.sudo("systemctl", "start", *UNITS)
    else:
        if asked and not answers(BUS):
            log.sudo("mkdir", "-p", BUS.parent)
            log.sudo("rm", "-f", BUS.parent / "pid")
            log.sudo("dbus-daemon", "--system", "--fork")
        for daemon in ("virtlogd", "virtlockd"):
            if not answers(SOCKET.with_name(f"{daemon}-sock")):
                log.sudo(f"/usr/sbin/{daemon}", "-d")
        log.sudo("/usr/sbin/libvirtd", "-d")
    until = time.monotonic() + 20
    while not answers(SOCKET):
        if time.monotonic() > until:
            raise Failed(
                "libvirtd does not answer after 20 s", "see its log: journalctl -u libvirtd, or /var/log/libvirt"
            )
        time.sleep(0.1)


def start_again(log: Log) -> None:
    """A libvirtd that was started without polkit to ask is ended and started with it; VMs don't notice."""
    log.sudo("start-stop-daemon", "--stop", "--retry", "TERM/20", "--pidfile", PID_FILE, "--exec", "/usr/sbin/libvirtd")
    start(log, asked=True)


def check(log: Log, user: str) -> None:
    """libvirt must answer now, if need be with the group that this session lacks."""
    if lets_in(user) or (not user and needs_sg() and asks("sg", GROUP, "-c", f"virsh -q -c {URI} uri")):
        return
    log.run(*virsh(user))


def steps(other: str = "") -> list[Step]:
    """What it takes; nothing where libvirt answers already. other: whom root asks for, who is in the group by then."""
    if lets_in(other):
        return []
    user = getpass.getuser()
    running = answers(SOCKET)
    asked = os.geteuid() != 0 or bool(other)
    found: list[Step] = []
    if os.geteuid() != 0 and not in_group(user):
        changes = f"put {user} into the group {GROUP}: who is in it has the rights of root on this machine"
        found.append(
            Step(
                f"{user} in group {GROUP}",
                "libvirt",
                lambda log: log.sudo("usermod", "-aG", GROUP, user),
                changes,
                True,
            )
        )
    if not running:
        changes = "start libvirtd (and leave it running)"
        found.append(Step("libvirt started", "libvirt", lambda log: start(log, asked=asked), changes, True))
    elif asked and not has_systemd() and not answers(BUS):
        changes = "start the libvirtd that runs here again, now with D-Bus and polkit, which it asks who one is"
        found.append(Step("libvirt started again", "libvirt", start_again, changes, True))
    found.append(Step("libvirt answers", "libvirt", lambda log: check(log, other)))
    return found
