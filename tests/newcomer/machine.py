"""A throw-away machine: the fresh root in mount, PID and network namespaces of its own, behind network translation."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.newcomer.root import USER, cached_root, environment, run, take_over_registries
from tests.supervisor.conftest import eventually

NAME = "kvmwebnew"
OUTER, INNER = "10.213.77.1", "10.213.77.2"
# What a machine's own start would mount; no control groups, so that libvirt inside does not touch those of outside.
# The root is changed for the whole namespace: libvirt enters QEMU's mount namespace anew, and out of a chroot.
MOUNTS = """set -e
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK" "$ROOT"
cd "$ROOT"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm dev/net old
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 ptmx:5:2 net/tun:10:200 kvm:10:232; do
    IFS=: read -r name major minor <<END
$node
END
    mknod -m 666 "dev/$name" c "$major" "$minor"
done
ln -s /proc/self/fd dev/fd
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ip link set lo up
hostname newcomer
pivot_root . old
umount -l /old
echo mounted
exec chroot . "$@"
"""
# What systemd sees of the machine around it is its own control group, and kernel settings that it cannot change.
MOUNTS_OF_SYSTEMD = """set -e
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind /proc/sys /proc/sys
mount -o remount,ro,bind /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,rw,bind /proc/sys/net
touch /dev/console
exec env container=kvmweb /lib/systemd/systemd
"""
# They are for a machine with devices, or load modules.
MASKED = (
    "dev-hugepages.mount", "sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount", "proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service", "systemd-udevd.service",
    "systemd-udev-trigger.service", "systemd-modules-load.service", "systemd-sysctl.service", "apt-daily.timer",
    "apt-daily-upgrade.timer", "console-getty.service", "getty.target", "modprobe@.service",
)  # fmt: skip
# As any machine's first process it must reap who is orphaned: libvirtd waits until what it ended is gone.
FIRST = """import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    signal.pause()
"""


@dataclass
class Machine:
    """Commands run in it by entering the namespaces of its first process."""

    init: int

    @property
    def root(self) -> Path:
        """Its files, seen from outside."""
        return Path(f"/proc/{self.init}/root")

    def entered(self, *command: str, user: str = "", groups: str = "--init-groups") -> list[str]:
        """A command line that runs inside; groups: what setpriv gives the user, as a log-in does or not."""
        enter = [
            "nsenter",
            f"--target={self.init}",
            "--mount",
            "--pid",
            "--net",
            "--uts",
        ]
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", groups] if user else []
        path = [] if user else ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        return [*enter, "--", *who, "env", f"--chdir=/home/{USER}", *path, *command]

    def run(self, *command: str, user: str = USER, given: str = "") -> str:
        """What it printed."""
        done = subprocess.run(
            self.entered(*command, user=user),
            env=environment(),
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextlib.contextmanager
def network() -> Iterator[None]:
    """A network namespace that reaches the registries through this machine; its own nftables table, gone afterwards."""
    outer, inner = f"{NAME}0", f"{NAME}1"
    remove_network()
    try:
        run("ip", "netns", "add", NAME)
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", NAME)
        run("ip", "address", "add", f"{OUTER}/30", "dev", outer)
        run("ip", "link", "set", outer, "up")
        run("ip", "-n", NAME, "address", "add", f"{INNER}/30", "dev", inner)
        run("ip", "-n", NAME, "link", "set", inner, "up")
        run("ip", "-n", NAME, "route", "add", "default", "via", OUTER)
        run("nft", "add", "table", "ip", NAME)
        run("nft", "add", "chain", "ip", NAME, "out", "{ type nat hook postrouting priority 100 ; }")
        run("nft", "add", "rule", "ip", NAME, "out", "ip", "saddr", f"{OUTER}/30", "masquerade")
        forwarding = Path("/proc/sys/net/ipv4/ip_forward")
        before = forwarding.read_text()
        forwarding.write_text("1")
        try:
            yield
        finally:
            forwarding.write_text(before)
    finally:
        remove_network()


def remove_network() -> None:
    """Take away what network() made, or a killed one left."""
    for command in (
        ("nft", "delete", "table", "ip", NAME),
        ("ip", "link", "delete", f"{NAME}0"),
        ("ip", "netns", "delete", NAME),
    ):
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False)


@contextlib.contextmanager
def control_group() -> Iterator[Path]:
    """A control group for a systemd to be the root of; gone afterwards with what it made in it."""
    unified = next(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line)
    group = Path(unified, f"{NAME}-{os.getpid()}")
    group.mkdir()
    try:
        yield group
    finally:
        # The kernel takes a moment to see that all processes in it have ended.
        eventually(lambda: "populated 0" in (group / "cgroup.events").read_text(), 30)
        for place, _, _ in os.walk(group, topdown=False):
            Path(place).rmdir()


@contextlib.contextmanager
def machine(cache: Path, folder: Path, *, systemd: bool = False) -> Iterator[Machine]:
    """The machine, up; all its processes end with it, and its folder may be deleted. systemd: that runs it."""
    if not systemd:
        with begun(cache, folder, ("/usr/bin/python3", "-c", FIRST), (), lambda: None) as inside:
            yield inside
        return
    with control_group() as group:
        join = partial((group / "cgroup.procs").write_text, "0")
        first = ("/bin/sh", "-c", MOUNTS_OF_SYSTEMD)
        with begun(cache, folder, first, ("systemd", "systemd-sysv", "dbus"), join, "--cgroup") as inside:
            eventually(lambda: is_up(inside), 120)
            yield inside


def is_up(inside: Machine) -> bool:
    """Whether systemd has started what it starts."""
    done = subprocess.run(
        inside.entered("systemctl", "is-system-running"), capture_output=True, text=True, check=False
    )  # fmt: skip
    return done.stdout.strip() in ("running", "degraded")


@contextlib.contextmanager
def begun(
    cache: Path,
    folder: Path,
    first: tuple[str, ...],
    packages: tuple[str, ...],
    before: Callable[[], object],
    *more: str,
) -> Iterator[Machine]:
    """The machine whose first process that is, in more namespaces; before: what the process outside does first."""
    lower = cached_root(cache, packages)
    places = {"LOWER": lower, "UPPER": folder / "upper", "WORK": folder / "work", "ROOT": folder / "root"}
    for name in ("UPPER", "WORK", "ROOT"):
        places[name].mkdir()
    if packages:
        masks = places["UPPER"] / "etc/systemd/system"
        masks.mkdir(parents=True)
        for name in MASKED:
            (masks / name).symlink_to("/dev/null")
    with network():
        command = ["ip", "netns", "exec", NAME, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts",
                   *more, "--propagation", "private", "/bin/sh", "-c", MOUNTS, "sh", *first]  # fmt: skip
        variables = {**os.environ, **{name: str(path) for name, path in places.items()}}
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True, preexec_fn=before)
        try:
            assert process.stdout
            assert process.stdout.readline() == "mounted\n"
            [init] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            inside = Machine(int(init))
            take_over_registries(inside.root)
            yield inside
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert process.stdout
            process.stdout.close()
