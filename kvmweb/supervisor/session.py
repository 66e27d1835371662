"""One run of the dashboard in a terminal: start, wait until all is ready, say how to get in, watch, stop."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from kvmweb.environment import Environment
from kvmweb.supervisor import logs
from kvmweb.supervisor.box import box, password_line
from kvmweb.supervisor.certificate import Certificate
from kvmweb.supervisor.child import Child
from kvmweb.supervisor.family import Family
from kvmweb.supervisor.processes import current_environment, demo
from kvmweb.supervisor.readiness import ask, silent
from kvmweb.supervisor.whisper import people_lines, told

REDIS_WITHIN = 5.0
READY_WITHIN = 60.0
SECOND_LINE_OF_A_STEP = "    "


def say(line: str) -> None:
    print(line, flush=True)


class Session:
    """What the terminal sees of a Family."""

    def __init__(self, environment: Environment, family: Family, certificate: Certificate | None) -> None:
        self.environment = environment
        self.family = family
        self.certificate = certificate
        self.ready = False
        self.people: list[str] = []
        family.died = self.died

    def died(self, child: Child, code: int) -> None:
        """Told once everything was ready; before that, what does not start is named at the end of the wait."""
        if self.ready:
            now, again = time.strftime("%H:%M:%S"), child.delay / 2
            say(f"{now}  {child.name} ended ({code}), starts again in {again:.1f} s; log: {child.log}")

    def run(self, prefix: str, demo: Sequence[str]) -> int:
        """Until somebody asks to stop; 0, or 1 where it was not ready in time and nobody is there to mend it."""
        began = time.monotonic()
        stopped = self.start() or self.await_ready(prefix)
        if not stopped:
            self.step("Dashboard started" if self.ready else "Dashboard started, not all of it answers", began)
            if not self.ready:
                self.explain(prefix)
            stopped = self.demo(demo) if demo else False
        if not stopped:
            password = password_line(self.environment.state.first_password, terminal=sys.stdout.isatty())
            for line in box(self.environment, self.certificate, password, people=self.people):
                say(line)
        while not stopped:
            stopped = self.family.wait(60.0)
            logs.bound(self.environment.state.logs)
        self.ready = False
        self.family.stop()
        if self.environment.users:
            self.environment.users.virt.become()
        # Over the ^C that a terminal shows.
        say(("\r" if sys.stdout.isatty() else "") + farewell(running_vms()))
        return 0

    def step(self, title: str, began: float) -> None:
        say(f"  {title:<52}{time.monotonic() - began:6.1f} s")

    def start(self) -> bool:
        """All children, a Redis of our own first; True when asked to stop meanwhile."""
        others = list(self.family.children)
        if self.environment.own_redis and self.start_redis(others.pop(0)):
            return True
        for child in others:
            self.family.start(child)
        return False

    def start_redis(self, redis: Child) -> bool:
        """Return when its socket is there, or it had the time to; True when asked to stop meanwhile."""
        socket = self.environment.state.socket("redis")
        socket.unlink(missing_ok=True)
        self.family.start(redis)
        until = time.monotonic() + REDIS_WITHIN
        while not socket.exists() and time.monotonic() < until:
            if self.family.wait(0.02):
                return True
        return False

    def await_ready(self, prefix: str) -> bool:
        """Until /readyz says so or the time is up; True when asked to stop meanwhile."""
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until:
            if self.family.wait(0.2):
                return True
            if ask(self.environment) == 200:
                self.ready = True
                return False
        return False

    def explain(self, prefix: str) -> None:
        """Which processes are not there, with the last line of their logs."""
        missing = set(silent(self.environment, prefix))
        for child in self.family.children:
            if child.exits or child.name in missing:
                say(f"{SECOND_LINE_OF_A_STEP}{child.name}: {child.last_line()[:100]}")
                say(f"{SECOND_LINE_OF_A_STEP}  log: {child.log}")

    def demo(self, command: Sequence[str]) -> bool:
        """Make or remove the demo VMs; True when asked to stop meanwhile."""
        began = time.monotonic()
        if not any(self.environment.cache.glob("guest-*/")):
            say("  Building the demo guest takes about a minute, once")
        with told(shown="--remove" not in command and sys.stdout.isatty()) as (words, descriptors, heard):
            program = demo([*command, *words])
            account = program.account(self.environment)
            variables = current_environment(self.environment, account)
            child = Child(program, self.environment.state.logs / "demo.log", variables, account, descriptors)
            self.family.invite(child)
            while child.pid:
                if self.family.wait(0.2):
                    return True
            self.people = people_lines(heard())
        if child.code:
            say(f"  The demo VMs: {child.last_line()[:80] or 'failed'}")
            say(f"  log: {child.log}")
        else:
            self.step("Demo VMs removed" if "--remove" in command else "Demo VMs made", began)
        return False


def running_vms() -> int:
    """How many VMs run on, as far as the dashboard last knew; 0 where it cannot say."""
    # Only here, at the end: a supervisor that has Django loaded all the time would be the largest process of all.
    import django
    from django.db import DatabaseError

    django.setup()
    from vms.models import Placement, State

    alive = (State.RUNNING, State.SHUTTING_DOWN)
    try:
        return Placement.objects.filter(present=True, state__in=alive).count()
    except DatabaseError:
        return 0


def farewell(running: int) -> str:
    """The last line."""
    if running == 0:
        return "Dashboard stopped."
    return f"Dashboard stopped. {running} VM{' keeps' if running == 1 else 's keep'} running."
