"""The whole dashboard, as scripts/run starts it: own state folder, own port, and a lab host as its host."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmweb.second.namespaces import children
from tests import tables
from tests.lab.machine import LabHost, eventually, own_folder
from vms.kinds.privileges import TABLE

ROOT = Path(__file__).parents[2]
REHEARSAL = Path(__file__).with_name("rehearsal.py")
OTHERWISE = Path(__file__).with_name("otherwise.py")
READ = """
import json, sqlite3, sys
path, sql, *values = json.load(sys.stdin)
json.dump(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20).execute(sql, values).fetchall(), sys.stdout)
"""
ADMIN = "admin"
# The scopes of a token that can do whatever an administrator may; what equals root needs its name.
EVERYTHING = ["--scope=all", *(f"--scope={privilege.name}" for privilege in TABLE if privilege.root)]
# How each process calls itself.
PROGRAMS = {
    "redis": "redis-server ", "web": " uvicorn ", "worker": "manage.py work", "watcher": "manage.py watch",
    "console": "manage.py relay", "transfer": "manage.py transfer", "front": "nginx: master",
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command_line(pid: int) -> str:
    """The words of a process, "" for one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


class Dashboard:
    """prepare() once, then start() and stop() as often as wanted; remove() at the end."""

    # What runs it, and where its code is.
    python: tuple[str | Path, ...] = (sys.executable,)
    code = ROOT
    started_in = ROOT
    # What its processes see otherwise than this one: words for tests/lab/otherwise.py.
    otherwise: tuple[str | Path, ...] = ()

    def __init__(self, host: LabHost, *, supervisor: str = "kvmweb.supervisor", **settings: str) -> None:
        """supervisor: the module that starts the processes."""
        self.host = host
        self.supervisor = supervisor
        self.folder = own_folder("kvmweb-dash-")
        self.state = self.folder / "state"
        self.output = self.folder / "output"
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("KVMWEB_", "SSH_"))},
            **{name: value for name, value in os.environ.items() if name == "KVMWEB_CACHE_DIR"},
            "KVMWEB_STATE_DIR": str(self.state),
            "KVMWEB_PORT": str(self.port),
            "KVMWEB_LIBVIRT_SOCKET": str(host.socket),
            # A run of the suite signs in once, and goes on for longer than a sign-in is fresh.
            "KVMWEB_SESSION_FRESH": "86400",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.rehearsal: subprocess.Popen[str] | None = None
        self.token = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *words: str, given: str = "") -> str:
        """What a management command prints."""
        done = self.run(*words, given=given)
        assert done.returncode == 0, f"manage.py {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """A management command, to its end."""
        return subprocess.run(
            [*self.python, self.code / "manage.py", *words], cwd=self.started_in, env=self.environment, input=given,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def do(self, code: str) -> str:
        """What the Python prints, run as `manage.py shell` would; the first one starts what the others find started."""
        if self.rehearsal is None:
            self.rehearsal = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *self.python, REHEARSAL, self.code], cwd=self.started_in,
                env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert self.rehearsal.stdin and self.rehearsal.stdout
        self.rehearsal.stdin.write(json.dumps(code) + "\n")
        self.rehearsal.stdin.flush()
        printed, raised = json.loads(self.rehearsal.stdout.readline())
        assert not raised, raised
        return str(printed)

    def prepare(self) -> None:
        """Tables, administrator, host, and a token for the requests below."""
        if self.code == ROOT and not self.otherwise and "KVMWEB_DATABASE_URL" not in self.environment:
            tables.lay(self.state / "db" / "kvmweb.sqlite3")
        self.manage("setup", "--password-from-stdin", given=self.password + "\n")
        self.token = self.manage("create_token", ADMIN, "--skip-checks", *EVERYTHING).split()[-1]

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        words = ("unshare", "--mount", sys.executable, "-I", OTHERWISE, *self.otherwise, "--")
        otherwise = words if self.otherwise else ()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *otherwise, *self.python, "-m", self.supervisor],
                cwd=self.started_in, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        eventually(self.is_ready, f"the dashboard is ready; see {self.folder}", within=60, every=0.2)

    def is_ready(self) -> bool:
        assert self.process and self.process.poll() is None, f"the supervisor ended:\n{self.output.read_text()}"
        try:
            return self.request("GET", "/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self, how: int = signal.SIGINT) -> int:
        """Ctrl-C, or another signal; the supervisor's exit code."""
        assert self.process
        self.process.send_signal(how)
        return self.process.wait(timeout=30)

    def remove(self) -> None:
        """Stop what runs and take the folder away."""
        if self.process and self.process.poll() is None:
            self.stop()
        if self.rehearsal:
            self.rehearsal.communicate(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def own_state(self) -> Path:
        """The state folder as its processes see it."""
        return Path(f"/proc/{self.process.pid}/root{self.state}") if self.otherwise and self.process else self.state

    def pid(self, name: str) -> int:
        """The pid of one of its processes: redis, web, worker, watcher, console or front."""
        found = self.pids(name)
        assert found, f"no {name} runs"
        return found[0]

    def pids(self, name: str) -> list[int]:
        """The pids of all its processes of that name."""
        assert self.process
        words = PROGRAMS[name]
        return [pid for pid in children(self.process.pid) if words in command_line(pid)]

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request by the administrator's token; bytes are sent as XML."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **headers}
        if body is not None:
            sent["Content-Type"] = "application/xml" if isinstance(body, bytes) else "application/json"
        try:
            connection.request(
                method, path, body if body is None or isinstance(body, bytes) else json.dumps(body), sent
            )
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        is_json = "json" in (answer.getheader("Content-Type") or "")
        return Answer(answer.status, dict(answer.getheaders()), json.loads(text) if is_json and text else text)

    def get(self, path: str) -> Any:
        """The body of a GET below /api/v1 that must succeed."""
        answer = self.request("GET", f"/api/v1{path}")
        assert answer.status == 200, f"{path}: {answer.status} {answer.body}"
        return answer.body

    def post(self, path: str, body: Any = None) -> Answer:
        return self.request("POST", f"/api/v1{path}", body)

    def vm(self, uuid: str, *, within: float = 30) -> int:
        """The id of the VM with that UUID, as soon as the watcher has shown it."""

        def look() -> int | None:
            found = [vm["id"] for vm in self.get(f"/vms?q={uuid}")["items"] if vm["uuid"] == uuid]
            return found[0] if found else None

        return eventually(look, f"the dashboard knows {uuid}", within=within)

    def await_state(self, vm: int, state: str, *, within: float = 30) -> None:
        eventually(lambda: self.get(f"/vms/{vm}")["state"] == state, f"VM {vm} is {state}", within=within)

    def ask(self, vm: int, verb: str, body: Any = None) -> int:
        """The id of the operation that was started."""
        answer = self.post(f"/vms/{vm}/{verb}", body)
        assert answer.status == 202, f"{verb}: {answer.status} {answer.body}"
        return int(answer.body["operation"]["id"])

    def operation(self, pk: int) -> dict[str, Any]:
        return dict(self.get(f"/operations/{pk}"))

    def await_operation(self, pk: int, *states: str, within: float = 30) -> dict[str, Any]:
        """The operation, once it is in one of the states (by default: ended well)."""
        wanted = states or ("succeeded",)
        over = {"succeeded", "failed", "cancelled", "superseded", "refused", "unknown"}

        def look() -> dict[str, Any] | None:
            operation = self.operation(pk)
            assert operation["state"] in wanted or operation["state"] not in over, operation
            return operation if operation["state"] in wanted else None

        return eventually(look, f"operation {pk} is {wanted}", within=within)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database says, read beside the dashboard."""
        path = f"{self.state}/db/kvmweb.sqlite3"
        if self.otherwise:
            return self.query_otherwise(path, sql, *values)
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
        try:
            return database.execute(sql, values).fetchall()
        finally:
            database.close()

    def query_otherwise(self, *asked: Any) -> list[tuple[Any, ...]]:
        """The same where the dashboard's disk is its own: SQLite follows links by itself, also those out of it."""
        assert self.process
        enter = ("nsenter", "--target", str(self.process.pid), "--mount", sys.executable, "-Ic", READ)
        done = subprocess.run(enter, input=json.dumps(asked), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [tuple(row) for row in json.loads(done.stdout)]
