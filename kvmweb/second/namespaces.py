"""What such a machine is made of: its files, and the command that starts it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

INSIDE: Final = Path(__file__).with_name("inside.py")
LOG: Final = ("/usr/sbin/virtlogd",)
VIRT: Final = ("/usr/sbin/libvirtd",)
NETWORK: Final = Path("/usr/share/libvirt/networks/default.xml")
# Who is in its namespaces passes no other door; of its guests the machine below keeps the accounts.
QEMU: Final = 'security_driver = "none"\ncgroup_controllers = []\nnamespaces = []\n'


def lay_out(
    folder: Path, name: str, *, libvirtd: str, qemu: str, daemons: Sequence[Sequence[str]] = (LOG, VIRT),
    shared: Sequence[str] = (),
) -> None:  # fmt: skip
    """Write into the folder what a fresh Debian libvirt has, network default stopped. libvirtd, qemu: lines of
    libvirtd.conf, and further ones of qemu.conf. shared: folders of the machine below that it has at the same place."""
    for path in (
        "etc/libvirt/qemu/networks",
        "var/lib/libvirt/images",
        "var/log/libvirt",
        "var/cache/libvirt",
        "run/lock",  # of serial consoles
    ):
        (folder / path).mkdir(parents=True)
    etc = folder / "etc/libvirt"
    (etc / "libvirtd.conf").write_text(libvirtd)
    (etc / "virtlogd.conf").touch()
    (etc / "qemu.conf").write_text(QEMU + qemu)
    shutil.copy(NETWORK, etc / "qemu/networks")
    told = {"name": name, "daemons": [list(words) for words in daemons], "shared": list(shared)}
    (folder / "machine.json").write_text(json.dumps(told))


def command(folder: Path) -> list[str]:
    """What starts it. The machine ends with this process, whatever ends that."""
    return [
        "unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
        sys.executable, "-I", str(INSIDE), str(folder),
    ]  # fmt: skip


def children(pid: int) -> dict[int, str]:
    """{pid: program} of a process's children, as this namespace counts them; what ends in this moment is left out."""
    found = {}
    with suppress(OSError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            with suppress(OSError):
                found[child] = Path(f"/proc/{child}/comm").read_text().strip()
    return found
