"""`python -m kvmweb.supervisor`: everything up, a box, and then until somebody asks to stop."""

from __future__ import annotations

import argparse
import fcntl
import os
import pwd
import sys
from pathlib import Path

from kvmweb.environment import BadSetting, Environment, State
from kvmweb.supervisor import leftovers, logs, nginx
from kvmweb.supervisor.certificate import certificate as front_certificate
from kvmweb.supervisor.child import Child, adopt_orphans
from kvmweb.supervisor.family import Family, block_signals
from kvmweb.supervisor.processes import Program, current_environment, programs
from kvmweb.supervisor.readiness import port_taken
from kvmweb.supervisor.session import Session


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m kvmweb.supervisor", description=__doc__)
    parser.add_argument("--lock-fd", type=int, help="descriptor of the state folder's lock, already held")
    parser.add_argument(
        "--demo", nargs="?", const="vms", choices=("vms", "fleet"), help="make the demo VMs once everything is ready"
    )
    parser.add_argument("--demo-remove", action="store_true", help="remove them instead")
    return parser.parse_args()


def take_lock(state: State, inherited: int | None) -> int:
    """One instance a state folder; the lock ends with this process, however that ends."""
    if inherited is not None:
        os.set_inheritable(inherited, False)
        return inherited
    descriptor = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BadSetting(f"a dashboard with the state folder {state.root} is running already") from None
    return descriptor


def prepare(environment: Environment, names: list[str], assets: Path) -> Session:
    """Clear what a killed supervisor left, write what the programs read."""
    register = leftovers.Register(environment.state.register)
    leftovers.end(register.read())
    if port_taken(environment):
        raise BadSetting(f"port {environment.port} on {environment.bind} is taken; take another: KVMWEB_PORT=8001")
    logs.bound(environment.state.logs)
    certificate = front_certificate(environment, names)
    owner = pwd.getpwuid(0).pw_name if os.geteuid() == 0 and not environment.users else ""
    configuration = nginx.write(environment, names, assets, certificate, owner)
    children = [child(environment, program) for program in programs(environment, configuration)]
    return Session(environment, Family(children, register), certificate)


def child(environment: Environment, program: Program) -> Child:
    account = program.account(environment)
    log = environment.state.logs / f"{program.name}.log"
    return Child(program, log, current_environment(environment, account), account)


def main() -> int:
    options = arguments()
    os.umask(0o077)
    try:
        from kvmweb import settings

        lock = take_lock(settings.STATE, options.lock_fd)
        block_signals()
        adopt_orphans()
        session = prepare(settings.ENVIRONMENT, settings.ALLOWED_HOSTS, settings.ASSETS_DIR)
    except BadSetting as problem:
        print(f"The dashboard cannot start: {problem}", file=sys.stderr)
        return 1
    wanted = {None: [], "vms": ["demo"], "fleet": ["demo", "--fleet", "--second"]}[options.demo]
    try:
        return session.run(settings.REDIS_PREFIX, ["demo", "--remove"] if options.demo_remove else wanted)
    finally:
        os.close(lock)


if __name__ == "__main__":
    sys.exit(main())
