"""The dashboard under fire: its processes are killed, and what it says is compared with what is true."""

from __future__ import annotations

import http.client
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.ear import Ear
from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import PROGRAMS, Dashboard
from tests.lab.test_kills import kill, row

# The supervisor last: what it starts again after that has died for the first time.
NAMES = ("worker", "watcher", "console", "web", "front", "redis", "supervisor")
# With these the hands go that hold an operation: whether a boot came of it is waited for, elsewhere only counted.
HOLDERS = ("worker", "supervisor")
POINTS = ("queued", "claimed", "asked", "done", "ended")
CASES = [(point, name) for point in POINTS for name in NAMES]
OVER = ("succeeded", "failed", "cancelled", "superseded", "refused", "unknown")
# Figures are told, not tested: on a busy machine a process takes its time to start.
WITHIN = 90.0


@dataclass
class Fire:
    """One dashboard and one host for all cases.

    probe is a guest that is paused and resumed from outside, so that the dashboard has something to see; witness must
    go on counting in one boot. struck holds the processes that have died since the dashboard was started.
    """

    dashboard: Dashboard
    host: LabHost
    guests: Guests
    ear: Ear
    probe: LabGuest
    witness: LabGuest
    struck: set[str] = field(default_factory=set)
    struck_at: float = 0.0
    counted: int = 0
    told: list[tuple[str, str, str, str, float]] = field(default_factory=list)

    def make_ready(self, name: str) -> None:
        """All runs. A second death soon after the first is waited for longer, so the dashboard is started anew."""
        if name in self.struck:
            self.dashboard.stop()
            self.start()
        eventually(self.is_whole, "all processes are there", within=WITHIN)

    def start(self) -> None:
        self.dashboard.start()
        self.struck.clear()

    def kill(self, name: str) -> None:
        """kill -9; the supervisor starts what is not itself again."""
        self.struck_at = time.monotonic()
        self.struck.add(name)
        if name != "supervisor":
            kill(self.dashboard, name)
        elif self.dashboard.process:
            self.dashboard.process.kill()
            self.dashboard.process.wait()

    def recover(self, name: str) -> None:
        """Somebody starts the dashboard again where it was its supervisor."""
        if name == "supervisor":
            self.start()

    def is_whole(self) -> bool:
        """Whether every process runs, and front, web and relay answer."""
        if not all(self.dashboard.pids(name) for name in PROGRAMS):
            return False
        with socket.socket(socket.AF_UNIX) as relay:
            if relay.connect_ex(str(self.dashboard.state / "run/console.sock")):
                return False
        return self.ask("/readyz") is not None

    def ask(self, path: str) -> Any:
        """The body, None while there is no good answer."""
        try:
            answer = self.dashboard.request("GET", path)
        except (OSError, http.client.HTTPException):
            return None
        return answer.body if answer.status == 200 else None

    def state(self, guest: LabGuest) -> str:
        """What the dashboard says, "" where it says nothing."""
        found = self.ask(f"/api/v1/vms?q={guest.uuid}")
        return str(found["items"][0]["state"]) if found and found["items"] else ""

    def until_true(self, guest: LabGuest) -> float:
        """Change something outside; the seconds from the kill until the dashboard shows it, and the guest as it is."""
        running = self.probe.is_running()
        if running:
            self.probe.domain.suspend()
        else:
            self.probe.domain.resume()
        wanted = "paused" if running else "running"
        eventually(lambda: self.state(self.probe) == wanted, f"the probe is shown {wanted}", within=WITHIN)

        def is_true() -> bool:
            return self.state(guest) == ("running" if guest.is_running() else "shut_off")

        eventually(is_true, f"{guest.name} is shown as it is", within=WITHIN)
        return time.monotonic() - self.struck_at

    def outcome(self, operation: int) -> str:
        """The state in which the operation has ended."""
        eventually(lambda: row(self.dashboard, operation)[0] in OVER, f"operation {operation} ends", within=WITHIN)
        return row(self.dashboard, operation)[0]

    def note(self, flow: str, point: str, name: str, outcome: str, seconds: float) -> None:
        """Keep it for the table, after the last questions: nobody's guest has noticed, nothing is open or locked."""
        self.told.append((flow, point, name, outcome, seconds))
        eventually(lambda: len(self.witness.counts()) > self.counted, "the witness goes on counting", within=60)
        self.counted = len(self.witness.counts())
        assert len(self.witness.boots()) == 1
        assert self.dashboard.query("SELECT id, state FROM vms_operation WHERE ended_at IS NULL") == []
        assert self.dashboard.query("SELECT * FROM vms_operationlock") == []


def away(guest: LabGuest) -> None:
    """It is off, whatever it did."""
    if not guest.is_off():
        guest.domain.destroy()
