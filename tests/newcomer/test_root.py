"""The same as root, from a clone in a home that is closed to others: as two Unix users, and as systemd's units."""

from __future__ import annotations

import contextlib
import json
import re
import time

import pytest

from tests.lab import knock
from tests.newcomer.machine import Machine
from tests.newcomer.root import USER
from tests.newcomer.terminal import Terminal
from tests.newcomer.test_walk import QUESTION, field, fresh_machine, start, stop, type_in_the_screen
from tests.supervisor.conftest import eventually

pytestmark = pytest.mark.long

CLONE = "/root/kvmweb"
STATE = "/var/lib/kvmweb"
UNITS_END = "systemctl stop kvmweb.target stops"
# By a word of its command line.
WHO = {
    "redis-server": "kvmweb", " uvicorn ": "kvmweb-web", "manage.py work": "kvmweb", "manage.py watch": "kvmweb",
    "manage.py relay": "kvmweb", "manage.py transfer": "kvmweb", "nginx: master": "kvmweb-web",
}  # fmt: skip


def processes(inside: Machine) -> dict[str, str]:
    """{word of WHO: the user whom its process runs as}."""
    names = dict(line.split(":")[2::-2] for line in (inside.root / "etc/passwd").read_text().splitlines())
    found = {}
    for process in (inside.root / "proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_text().replace("\0", " ")
            uid = re.search(r"^Uid:\t(\d+)", (process / "status").read_text(), re.M)
            for word in WHO:
                if word in command and uid:
                    found[word] = names[uid[1]]
    return found


def opened_by_others(inside: Machine) -> list[list[str]]:
    """What of the state folder lets in an ordinary user."""
    paths = inside.run("find", STATE, user="").splitlines()
    assert f"{STATE}/virt/unsealing_key" in paths and f"{STATE}/run/redis.sock" in paths
    found: list[list[str]] = json.loads(
        inside.run("/usr/bin/python3", "-c", knock.SCRIPT, given=json.dumps(paths), user=USER)
    )
    return found


def walk(inside: Machine, terminal: Terminal) -> None:
    """Who is who, and from the sign-in to a typed command."""
    assert processes(inside) == WHO
    assert opened_by_others(inside) == []
    heard = type_in_the_screen(inside, field(terminal, "Address"), field(terminal, "Password"))
    assert "kvmweb-42" in heard.split()
    [place] = [
        path.parent.name for path in (inside.root / "opt/kvmweb").glob("*/.venv") if not path.parent.is_symlink()
    ]
    manage = [f"/opt/kvmweb/{place}/{name}" for name in (".venv/bin/python", "manage.py")]
    assert inside.run(*manage, "create_token", "admin", user="").strip()
    owners = {path.lstat().st_uid for path in (inside.root / STATE[1:] / "db").iterdir()}
    assert 0 not in owners


def test_root_starts_it_as_two_users() -> None:
    with fresh_machine("", CLONE) as inside:
        began = time.monotonic()
        with contextlib.closing(start(inside, "--demo", within=1500, user="", clone=CLONE)) as terminal:
            print(f"\nroot: box after {time.monotonic() - began:.0f} s")
            assert len(re.findall(QUESTION, terminal.text)) == 1
            assert (
                "kvmweb-web" in terminal.text
                and "/opt/kvmweb" in terminal.text
                and "One Unix user" not in terminal.text
            )
            assert "Demo VMs made" in terminal.text, terminal.text
            walk(inside, terminal)
            assert stop(terminal) == "Dashboard stopped. 1 VM keeps running."
        began = time.monotonic()
        with contextlib.closing(start(inside, within=90, user="", clone=CLONE)) as terminal:
            print(f"root: second start {time.monotonic() - began:.1f} s")
            assert not re.search(QUESTION, terminal.text)
            assert processes(inside) == WHO
            stop(terminal)


def test_root_installs_systemds_units() -> None:
    with fresh_machine("", CLONE, systemd=True) as inside:
        began = time.monotonic()
        with contextlib.closing(start(inside, "--units", within=1500, user="", clone=CLONE, end=UNITS_END)) as terminal:
            print(f"\nunits: box after {time.monotonic() - began:.0f} s")
            assert len(re.findall(QUESTION, terminal.text)) == 1
            terminal.process.wait(timeout=30)
        inside.run(f"{CLONE}/scripts/run", "--demo", "--yes", user="")
        walk(inside, terminal)
        units = inside.run("systemctl", "show", "--property=Id,ActiveState,NRestarts", "kvmweb-*", user="").split(
            "\n\n"
        )
        assert len(units) == len(WHO) + 1, units
        for unit in units:
            assert "ActiveState=active" in unit and "NRestarts=0" in unit, units
        inside.run("systemctl", "stop", "kvmweb.target", user="")
        eventually(lambda: processes(inside) == {}, 60)
        assert re.search(r"demo-web +running", inside.run("virsh", "-c", "qemu:///system", "list", user=""))
        inside.run("systemctl", "start", "kvmweb.target", user="")
        eventually(lambda: processes(inside) == WHO, 60)
