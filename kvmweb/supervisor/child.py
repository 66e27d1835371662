"""One process of the dashboard: a process group of its own, started again when it ends, later each time."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kvmweb.environment import Account
from kvmweb.supervisor.processes import Program

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
GOOD_RUN = 60.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Children of children that lose their parent become this process's, which then can reap them."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Child:
    """A Program and its present process, if there is one; account: whose it is, where that is not ours. keeps: open
    descriptors that it gets."""

    def __init__(
        self, program: Program, log: Path, environment: Mapping[str, str], account: Account | None = None,
        keeps: Sequence[int] = (),
    ) -> None:  # fmt: skip
        self.program = program
        self.account = account
        self.keeps = keeps
        self.log = log
        self.environment = {**environment, **program.environment}
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.delay = FIRST_DELAY
        self.due = 0.0
        self.exits = 0
        self.code: int | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def start(self) -> None:
        """Start it with the log as its output; it gets SIGTERM when the supervisor dies in whatever way."""
        supervisor, account = os.getpid(), self.account

        def prepare() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            if account:
                _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            # After the change of user, which would undo it.
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != supervisor:
                os._exit(1)

        with self.log.open("ab") as log:
            # preexec_fn is safe here: the supervisor has one thread.
            self.process = subprocess.Popen(
                self.program.argv, executable=self.program.executable or None, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, preexec_fn=prepare,
                pass_fds=self.keeps,
                user=account.uid if account else None, group=account.gid if account else None,
                extra_groups=account.groups if account else None, umask=0o007 if account else -1,
            )  # fmt: skip
        self.started = time.monotonic()

    def reap(self) -> int:
        """Collect its dead leader, after ending what is left of the group; the next start has a time. Its exit code."""
        process = self.process
        if process is None:
            raise ValueError(f"{self.name} does not run")
        pid = process.pid
        # As long as the leader is not collected, its number is nobody else's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        process.returncode = self.code = code
        self.process = None
        self.exits += 1
        if time.monotonic() - self.started > GOOD_RUN:
            self.delay = FIRST_DELAY
        self.due = time.monotonic() + self.delay
        self.delay = min(self.delay * 2, LONGEST_DELAY)
        return code

    def signal(self, number: signal.Signals) -> None:
        """To the leader alone, which ends its own; SIGKILL to all of the group."""
        if self.process is None:
            return
        if number == signal.SIGKILL:
            os.killpg(self.process.pid, number)
        else:
            os.kill(self.process.pid, number)

    def last_line(self) -> str:
        """The last line of its log that says something."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = log.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
