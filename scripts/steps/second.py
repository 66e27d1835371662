"""The demo's second host, to which VMs can be moved: root alone starts it and takes it away (kvmweb.second)."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from scripts.steps import hypervisor, python
from scripts.steps.work import Failed, Log, Step

if TYPE_CHECKING:
    from kvmweb.environment import Environment


def complaint(environment: Environment) -> str:
    """Why there is none, or ""."""
    if os.geteuid() != 0:
        return "No second host to move VMs to: root alone can start one (sudo scripts/run --demo fleet)."
    if environment.local_uri_socket:
        return "No second host to move VMs to: KVMWEB_LIBVIRT_SOCKET names a libvirt that may be elsewhere."
    return ""


def is_made(environment: Environment) -> bool:
    """Whether an earlier start has begun one, which this start may not even see: what root keeps is closed."""
    return os.geteuid() == 0 and environment.state.second.exists()


def start(environment: Environment, user: str, log: Log) -> None:
    """user: who passes to its socket, "" for root alone."""
    group = pwd.getpwnam(user).pw_gid if user else 0
    log.run(python.PYTHON, "-m", "kvmweb.second", "start", environment.state.second, str(group))


def step(environment: Environment, user: str, *, wanted: bool) -> Step | None:
    """None where it runs, is not wanted, or cannot be. One that was begun is started anyway: it may have VMs."""
    folder = environment.state.second
    if complaint(environment) or not (wanted or is_made(environment)):
        return None
    if hypervisor.answers(folder / "run/libvirt/libvirt-sock"):
        return None
    changes = f"start a second libvirtd in namespaces of its own, which keeps its files in {folder}"
    return Step("Second host", "second", lambda log: start(environment, user, log), changes)


def remove(environment: Environment, log: Log) -> None:
    """Failed where it has something that the demo did not make."""
    try:
        log.run(python.PYTHON, "-m", "kvmweb.second", "remove", environment.state.second)
    except Failed as failure:
        raise Failed(
            failure.output, "move that to another host, or delete it; then scripts/run --demo-remove"
        ) from None
