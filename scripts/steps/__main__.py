"""scripts/run: from a fresh clone to a running dashboard."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING

from scripts.steps import frontend, hypervisor, packages, ports, python, question, site, system
from scripts.steps.work import ROOT, Log, Step, perform, reported

if TYPE_CHECKING:
    from kvmweb.environment import Environment

SG_SUPERVISOR = 'exec "$RUN_PYTHON" -m kvmweb.supervisor $RUN_ARGUMENTS'
SG_MANAGE = 'exec "$RUN_PYTHON" manage.py $RUN_ARGUMENTS'


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/run", description="Install what is missing, then run the dashboard until Ctrl-C.",
        epilog="Settings are environment variables: docs/settings.md",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="don't ask before changing the machine")
    parser.add_argument("--new-password", action="store_true", help="make a new password for admin")
    parser.add_argument(
        "--demo", nargs="?", const="vms", choices=("vms", "fleet"),
        help="make three demo VMs; fleet: and a host with 1,000 VMs that are not real",
    )  # fmt: skip
    parser.add_argument(
        "--demo-remove", action="store_true", help="remove what --demo made, and nothing else; then end"
    )
    return parser.parse_args()


def planned(environment: Environment, *, demo: bool) -> list[Step]:
    """The steps that are not done yet."""
    lists = ["packages.txt", *(["packages-demo.txt"] if demo else [])]
    own_libvirt = [] if environment.local_uri_socket else hypervisor.steps()
    found = [packages.step(packages.wanted(*lists)), *own_libvirt, python.step(), frontend.step()]
    return [step for step in found if step]


def manage(log: Log, *command: str, given: str = "") -> None:
    """A management command, to its end."""
    log.run(python.PYTHON, "manage.py", *command, given=given)


def manage_libvirt(log: Log, *command: str) -> None:
    """One that talks to libvirt; where only a group that this session lacks may, through sg with a constant line."""
    if not hypervisor.needs_sg():
        return manage(log, *command)
    variables = {"RUN_PYTHON": os.fspath(python.PYTHON), "RUN_ARGUMENTS": " ".join(command)}
    log.run("sg", hypervisor.GROUP, "-c", SG_MANAGE, env=variables)


def set_up(environment: Environment, *, new_password: bool, password: str) -> None:
    """Database, administrator, first host: always asked, since migrations come with each new version."""
    log = Log(environment.state.logs / "setup.log")
    options = ["--new-password"] if new_password else []
    with reported("Database", log.path):
        manage(log, "setup", "--password-from-stdin", *options, given=password + "\n")


def become_supervisor(lock: int, *, demo: str) -> None:
    """Does not return. Where only a group that this session lacks opens libvirt, through sg with a constant line."""
    os.set_inheritable(lock, True)
    options = ["--lock-fd", str(lock), *(["--demo", demo] if demo else [])]
    if hypervisor.needs_sg():
        os.environ.update(RUN_PYTHON=os.fspath(python.PYTHON), RUN_ARGUMENTS=" ".join(options))
        os.execvp("sg", ["sg", hypervisor.GROUP, "-c", SG_SUPERVISOR])
    os.execv(python.PYTHON, [os.fspath(python.PYTHON), "-m", "kvmweb.supervisor", *options])


def refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


def start(options: argparse.Namespace) -> int:
    problem = system.check()
    if problem:
        return refuse(problem)
    password = site.take_first_password()
    environment = site.load()
    running = site.is_running(environment)
    if not running and not options.demo_remove:
        problem = ports.complaint(environment.bind, environment.port, environment.state.register)
        if problem:
            return refuse(problem)
    steps = planned(environment, demo=bool(options.demo))
    if not question.agreed(steps, ROOT, environment.state.root, yes=options.yes):
        return refuse("Nothing was changed.")
    if not question.may_sudo(steps):
        return refuse("sudo does not let you in: start as a user with sudo, or as root. Nothing was changed.")
    environment.prepare()
    lock = site.lock(environment)
    if lock is None and not (options.demo or options.demo_remove):
        return refuse(f"The dashboard is running already (state folder {environment.state.root}).")
    build(environment, steps)
    if lock is not None:
        set_up(environment, new_password=options.new_password, password=password)
    if lock is not None and not options.demo_remove:
        become_supervisor(lock, demo=options.demo or "")
    # The dashboard runs already, or is not wanted: the demo VMs need none.
    log = Log(environment.state.logs / "demo.log")
    with reported("Demo VMs removed" if options.demo_remove else "Demo VMs made", log.path):
        more = ["--remove"] if options.demo_remove else ["--fleet"] if options.demo == "fleet" else []
        manage_libvirt(log, "demo", *more)
    return 0


def build(environment: Environment, steps: list[Step]) -> None:
    if steps:
        clone = site.lock_clone()
        perform(steps, environment.state.logs)
        os.close(clone)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # What is written for the whole machine must be readable there; our own folders are closed by their mode.
    os.umask(0o022)
    try:
        return start(arguments())
    except ValueError as problem:
        return refuse(str(problem))
    except KeyboardInterrupt:
        print("\nStopped. Start again and it goes on where it was.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
