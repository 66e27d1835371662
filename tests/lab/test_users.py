"""Two Unix users: the wall between web and hosts is the kernel's, and a third user opens nothing."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.lab import apart, knock
from tests.lab.guests import Guests
from tests.lab.machine import LabHost
from tests.lab.stack import ADMIN, EVERYTHING, PROGRAMS, ROOT, Dashboard, free_port
from tests.lab.test_console import Screen
from tests.lab.web import Browser
from vms.demo import guest

WEB, VIRT, STRANGER = 48701, 48702, 48703
GROUP, LIBVIRT = 48710, 48711
PASSWD = f"""\
lab-web:x:{WEB}:48709::/nonexistent:/usr/sbin/nologin
lab-virt:x:{VIRT}:{GROUP}::/nonexistent:/usr/sbin/nologin
"""
GROUPS = f"lab-virt:x:{GROUP}:\nlab-libvirt:x:{LIBVIRT}:lab-virt\n"
NET_BIND_SERVICE = 1 << 10
OWNERS = {"web": WEB, "front": WEB, "redis": VIRT, "worker": VIRT, "watcher": VIRT, "console": VIRT, "transfer": VIRT}


def free_low_port() -> int:
    """One that is root's to give."""
    for port in range(1023, 700, -1):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def write_names(folder: Path) -> None:
    for name, lines in (("passwd", PASSWD), ("group", GROUPS)):
        (folder / name).write_text(Path("/etc", name).read_text() + lines)


class TwoUsers(Dashboard):
    """A dashboard whose Unix users exist for it alone."""

    def __init__(self, host: LabHost, **settings: str) -> None:
        super().__init__(host, **settings)
        self.folder.chmod(0o755)
        self.cache = self.folder / "cache"
        (self.cache / "of-root").mkdir(parents=True)
        self.environment["KVMWEB_CACHE_DIR"] = str(self.cache)
        write_names(self.folder)
        unshared = ("unshare", "--mount", sys.executable, "-I", apart.__file__)
        self.python = (*unshared, self.folder, ROOT, Path(sys.prefix).resolve())
        self.code = apart.CODE

    def move_to(self, port: int) -> None:
        """Where the next start listens."""
        self.port = port
        self.environment["KVMWEB_PORT"] = str(port)

    def let_in(self, uid: int, *groups: int) -> set[tuple[str, str]]:
        """What of the state folder and of the processes lets in a user with these groups: (path, how)."""
        paths = [self.state, *self.state.rglob("*"), self.host.socket]
        paths += [Path(f"/proc/{self.pid(name)}", file) for name in PROGRAMS for file in ("environ", "mem", "fd")]
        who = ["setpriv", f"--reuid={uid}", f"--regid={groups[0]}", f"--groups={','.join(map(str, groups))}"]
        done = subprocess.run(
            [*who, "/usr/bin/python3", "-c", knock.SCRIPT], input=json.dumps([str(path) for path in paths]), cwd="/",
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return {(path.removeprefix(f"{self.state}/"), how) for path, how in json.loads(done.stdout)}

    def status(self, name: str) -> dict[str, list[str]]:
        """What the kernel says of a process of that name."""
        lines = Path(f"/proc/{self.pid(name)}/status").read_text().splitlines()
        return {field: words.split() for field, _, words in (line.partition(":") for line in lines)}


@pytest.fixture(scope="module")
def host() -> Iterator[LabHost]:
    """Its socket is open to a group, and it knows the users by name."""
    made = LabHost("lab-users")
    try:
        made.folder.chmod(0o755)
        write_names(made.folder)
        for name in ("passwd", "group"):
            made.run("mount", "--bind", str(made.folder / name), f"/etc/{name}")
        os.chown(made.socket, 0, LIBVIRT)
        made.socket.chmod(0o770)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def two(host: LabHost) -> Iterator[TwoUsers]:
    """Begun as one user, by an earlier start; then running as two."""
    made = TwoUsers(host)
    try:
        made.prepare()
        assert made.state.stat().st_uid == 0 and stat.S_IMODE(made.state.stat().st_mode) == 0o700
        made.environment["KVMWEB_USERS"] = "lab-web,lab-virt"
        made.move_to(free_low_port())
        made.start()
        yield made
    finally:
        made.remove()


def test_each_process_is_who_it_should_be(two: TwoUsers) -> None:
    for name, owner in OWNERS.items():
        status = two.status(name)
        assert set(status["Uid"]) == {str(owner)}, name
        assert set(status["Gid"]) == {str(GROUP)}, name
        groups = {str(GROUP)} if owner == WEB else {str(GROUP), str(LIBVIRT)}
        assert set(status["Groups"]) == groups, name
        assert status["NoNewPrivs"] == ["1"], name
        # The front listens where otherwise only root may.
        assert int(status["CapPrm"][0], 16) == (NET_BIND_SERVICE if name == "front" else 0), name
        assert status["Umask"] == ["0007"] or name == "front", name


def test_a_third_user_opens_nothing(two: TwoUsers) -> None:
    assert two.let_in(STRANGER, STRANGER) == set()
    for name in PROGRAMS:
        words = Path(f"/proc/{two.pid(name)}/cmdline").read_text()
        assert two.password not in words and two.token not in words


def test_the_web_user_reaches_what_it_needs_and_no_host(two: TwoUsers) -> None:
    way = two.let_in(WEB, GROUP)
    for needed in (("db/kvmweb.sqlite3", "write"), ("db/sealing_key.pub", "read"), ("secret_key", "read"),
                   ("run/redis.sock", "connect"), ("run/console.sock", "connect"), ("nginx.conf", "read")):  # fmt: skip
        assert needed in way
    assert (str(two.host.socket), "connect") not in way
    assert not [path for path, _ in way if path.startswith(("virt", "backups"))]
    virt = {f"/proc/{two.pid(name)}" for name, owner in OWNERS.items() if owner == VIRT}
    assert not [path for path, _ in way if path.startswith(tuple(virt))]
    # Where root writes, no link of the web user's may wait for it.
    writes = {path for path, how in way if how in ("write", "make")}
    assert not writes & {str(two.state), "logs", "nginx.conf", "processes.json", "lock", "instance", "secret_key"}
    assert (str(two.host.socket), "connect") in two.let_in(VIRT, GROUP, LIBVIRT)


def test_signing_in_a_start_and_a_console_work(two: TwoUsers, host: LabHost, guest_files: guest.Guest) -> None:
    guests = Guests(host, guest_files)
    try:
        vm = two.vm(guests.make("behind-the-wall").uuid)
        assert "behind-the-wall" in Browser(two).page("/vms/")
        two.await_operation(two.ask(vm, "start"))
        two.await_state(vm, "running")
        wish = two.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": "view"})
        assert wish.status == 200, wish.body
        url = two.url.replace("http", "ws") + wish.body["url"]
        with connect(url, subprotocols=[Subprotocol("binary")]) as screen:
            assert Screen(screen).is_drawn()
    finally:
        guests.remove_all()


def test_what_root_does_by_hand_locks_nobody_out(two: TwoUsers) -> None:
    """Neither the command nor the next start is told that there are two users: the folder says so."""
    two.stop()
    assert "Traceback" not in two.output.read_text()
    del two.environment["KVMWEB_USERS"]
    two.move_to(free_port())
    two.token = two.manage("create_token", ADMIN, *EVERYTHING).split()[-1]
    owners = {path: path.lstat().st_uid for name in ("run", "db", "web") for path in (two.state / name).rglob("*")}
    assert owners and 0 not in owners.values(), owners
    two.start()
    for name, owner in OWNERS.items():
        assert set(two.status(name)["Uid"]) == {str(owner)} and int(two.status(name)["CapPrm"][0], 16) == 0, name
    assert "Sign out" in Browser(two).page("/")
    assert "As it was written" in two.manage("verify_audit")


def test_a_first_start_makes_every_folder_for_whom_it_is(host: LabHost) -> None:
    made = TwoUsers(host, KVMWEB_USERS="lab-web,lab-virt")
    try:
        made.manage("setup", "--password-from-stdin", given="\n")
        layout = {
            str(path.relative_to(made.state)): (path.stat().st_uid, oct(stat.S_IMODE(path.stat().st_mode)))
            for path in [made.state, *made.state.rglob("*")]
        }
        assert layout == {
            ".": (0, "0o750"), "instance": (0, "0o640"), "secret_key": (0, "0o640"), "logs": (0, "0o710"),
            "run": (VIRT, "0o2770"), "db": (VIRT, "0o2770"), "web": (WEB, "0o700"), "virt": (VIRT, "0o700"),
            "backups": (VIRT, "0o700"), "db/kvmweb.sqlite3": (VIRT, "0o660"), "db/metrics.sqlite3": (VIRT, "0o660"),
            "db/sealing_key.pub": (VIRT, "0o660"),
            "virt/unsealing_key": (VIRT, "0o600"), "virt/audit_keys": (VIRT, "0o600"),
            "virt/admin-password": (VIRT, "0o600"),
        }  # fmt: skip
        caches = {path.name: path.stat().st_uid for path in (made.cache, *made.cache.iterdir())}
        assert caches == {"cache": 0, "of-root": 0, "lab-virt": VIRT}
        made.environment["KVMWEB_USERS"] = "one"
        with pytest.raises(AssertionError, match="was made for two users"):
            made.manage("check")
    finally:
        made.remove()
