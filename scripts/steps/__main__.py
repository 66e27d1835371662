"""scripts/run: from a fresh clone to a running dashboard."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from scripts.steps import (
    code,
    frontend,
    hypervisor,
    packages,
    ports,
    python,
    question,
    second,
    site,
    system,
    units,
    users,
)
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
        help="make three demo VMs; fleet: and hosts, one with 1,000 VMs that are not real, a second to move VMs to",
    )  # fmt: skip
    parser.add_argument(
        "--demo-remove", action="store_true", help="remove what --demo made, and nothing else; then end"
    )
    parser.add_argument(
        "--units", action="store_true", help="as root: install it as systemd's units and start those, instead of here"
    )  # fmt: skip
    # The clone has asked, and goes on in its copy.
    parser.add_argument("--agreed", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def planned(environment: Environment, *, demo: str, made: bool) -> list[Step]:
    """The steps that are not done yet. demo: which, "" for none. made: the two Unix users of scripts/run are those whom
    it will run as."""
    lists = [
        "packages.txt",
        *(["packages-demo.txt"] if demo else []),
        *(["packages-fleet.txt"] if demo == "fleet" else []),
    ]
    own = not environment.local_uri_socket
    virt = users.VIRT if made else environment.users.virt.name if environment.users else ""
    found = [
        packages.step(packages.wanted(*lists)),
        users.step(libvirt=own) if made else None,
        *(hypervisor.steps(virt) if own else []),
        python.step(),
        frontend.step(),
        second.step(environment, virt, wanted=demo == "fleet"),
    ]
    return [step for step in found if step]


def manage(log: Log, *command: str, given: str = "", keeps: Sequence[int] = ()) -> None:
    """A management command, to its end."""
    log.run(python.PYTHON, "manage.py", *command, given=given, keeps=keeps)


def manage_libvirt(log: Log, *command: str, keeps: Sequence[int] = ()) -> None:
    """One that talks to libvirt; where only a group that this session lacks may, through sg with a constant line."""
    if not hypervisor.needs_sg():
        return manage(log, *command, keeps=keeps)
    variables = {"RUN_PYTHON": os.fspath(python.PYTHON), "RUN_ARGUMENTS": " ".join(command)}
    log.run("sg", hypervisor.GROUP, "-c", SG_MANAGE, env=variables, keeps=keeps)


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


def become_units(environment: Environment) -> NoReturn:
    """Installed and started; what follows waits until they answer, and ends."""
    log = Log(environment.state.logs / "units.log")
    with reported("Units started", log.path):
        units.install(environment, log)
    os.execv(python.PYTHON, [os.fspath(python.PYTHON), "-m", "kvmweb.supervisor.ready"])


def refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


def start(options: argparse.Namespace) -> int:
    problem = system.check()
    if problem:
        return refuse(problem)
    password = site.take_first_password()
    if options.units:
        units.read_settings()
    environment = site.load()
    problem = units.complaint(environment) if options.units else ""
    if problem:
        return refuse(problem)
    as_units = units.active()
    running = as_units or site.is_running(environment)
    if not running and not options.demo_remove:
        problem = ports.complaint(environment.bind, environment.port, environment.state.register)
        if problem:
            return refuse(problem)
    made = users.wanted(environment, site.given("KVMWEB_USERS"), running=running)
    home = code.home() if made or environment.users else ROOT
    copy = code.step(home)
    steps = [*planned(environment, demo=options.demo or "", made=made), *([copy] if copy else [])]
    if not options.agreed and not question.agreed(steps, home, environment.state.root, yes=options.yes):
        return refuse("Nothing was changed.")
    if not question.may_sudo(steps):
        return refuse("sudo does not let you in: start as a user with sudo, or as root. Nothing was changed.")
    environment.prepare()
    if home != ROOT:
        build(environment, [copy] if copy else [])
        site.give_back(password)
        code.go_on_in(home, [*sys.argv[1:], *([] if options.agreed else ["--agreed"])])
    # Units hold no lock, but they run.
    lock = None if as_units and not options.units else site.lock(environment)
    if lock is None and (options.units or not (options.demo or options.demo_remove)):
        return refuse(f"The dashboard is running already (state folder {environment.state.root}).")
    build(environment, steps)
    if options.demo == "fleet" and (why := second.complaint(environment)):
        print(f"  {why}")
    if made:
        environment = site.with_users(users.NAMES)
    if as_units and options.units:
        log = Log(environment.state.logs / "units.log")
        with reported("Units stopped", log.path):
            units.stop(log)
    if lock is not None:
        set_up(environment, new_password=options.new_password, password=password)
    if options.units:
        become_units(environment)
    if lock is not None and not options.demo_remove:
        become_supervisor(lock, demo=options.demo or "")
    # The dashboard runs already, or is not wanted: the demo VMs need none.
    log = Log(environment.state.logs / "demo.log")
    more = ["--remove"] if options.demo_remove else ["--fleet", "--second"] if options.demo == "fleet" else []
    whisper = site.whisper_module()
    with whisper.told(shown=not options.demo_remove and sys.stdout.isatty()) as (words, descriptors, heard):
        with reported("Demo VMs removed" if options.demo_remove else "Demo VMs made", log.path):
            manage_libvirt(log, "demo", *more, *words, keeps=descriptors)
        for line in whisper.people_lines(heard()):
            print(line)
    if options.demo_remove and second.is_made(environment):
        log = Log(environment.state.logs / "second.log")
        with reported("Second host removed", log.path):
            second.remove(environment, log)
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
