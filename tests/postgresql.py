"""A PostgreSQL server of the tests' own: a folder, a unix socket in it, and nothing left afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

# Debian keeps each version's programs apart.
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


class PostgreSQL:
    """Running from the beginning to stop(); it refuses root, so root runs it as its own user."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kvmweb-postgresql-"))
        self.drop: list[str] = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.drop = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        self.run(
            "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D", str(self.folder / "data")
        )
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*self.drop, str(PROGRAMS[-1] / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder),
                 "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"],
                cwd="/", stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + 30
        # The socket is there before the server takes anybody in.
        while subprocess.run(self.words("pg_isready", "-q", "-h", str(self.folder)), cwd="/", check=False).returncode:
            assert self.process.poll() is None and time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.05)
        self.run("createdb", "-h", str(self.folder), "kvmweb")

    @property
    def url(self) -> str:
        user = "postgres" if self.drop else pwd.getpwuid(os.geteuid()).pw_name
        return f"postgresql://{user}@{quote(str(self.folder), safe='')}/kvmweb"

    def words(self, program: str, *words: str) -> list[str]:
        return [*self.drop, str(PROGRAMS[-1] / program), *words]

    def run(self, program: str, *words: str) -> None:
        done = subprocess.run(self.words(program, *words), cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        """Its quick end, without waiting for who is connected."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
