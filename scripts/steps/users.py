"""The two Unix users of the dashboard's processes, where root starts it."""

from __future__ import annotations

import grp
import os
import pwd
from typing import TYPE_CHECKING

from scripts.steps import hypervisor
from scripts.steps.work import Log, Step

if TYPE_CHECKING:
    from kvmweb.environment import Environment

WEB, VIRT = "kvmweb-web", "kvmweb"
NAMES = f"{WEB},{VIRT}"


def wanted(environment: Environment, given: str, *, running: bool) -> bool:
    """Whether to make these two: root starts it, and neither a setting nor the state folder says who it is.

    A dashboard that runs as one user goes on as one until it is started again.
    """
    return os.geteuid() == 0 and not given and not environment.users and not running


def exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def make(log: Log, *, libvirt: bool) -> None:
    """What is missing of them."""
    if not has_group(VIRT):
        log.run("groupadd", "--system", VIRT)
    for name in (WEB, VIRT):
        if not exists(name):
            log.run(
                "useradd", "--system", "--gid", VIRT, "--no-create-home", "--home-dir", "/nonexistent",
                "--shell", "/usr/sbin/nologin", name,
            )  # fmt: skip
    if libvirt:
        log.run("usermod", "-aG", hypervisor.GROUP, VIRT)


def step(*, libvirt: bool) -> Step | None:
    """None where they are there. libvirt: this machine's is one of the hosts."""
    if exists(WEB) and exists(VIRT) and (not libvirt or hypervisor.in_group(VIRT)):
        return None
    changes = f"make the Unix users {WEB} and {VIRT}, whom the dashboard runs as"
    if libvirt:
        changes += f", and put {VIRT} into the group {hypervisor.GROUP}: who is in it has the rights of root"
    return Step("Unix users", "users", lambda log: make(log, libvirt=libvirt), changes)
