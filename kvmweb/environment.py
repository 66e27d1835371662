"""What the site sets: one frozen value read from KVMWEB_* variables, and the layout of the state folder.

Each setting NAME may also be given as NAME_FILE, a file whose content is the value. docs/settings.md holds the table.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# What there may be several of, each doing the same work.
SEVERAL = ("web", "worker", "watcher", "console")
MOST_PROCESSES = 16


class BadSetting(ValueError):
    """A setting or the state folder is not usable; the text says which and why."""


def read(name: str, default: str = "") -> str:
    """The value of a setting: the variable, else the content of the file that NAME_FILE names, else the default."""
    if name in os.environ:
        return os.environ[name]
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else default


def read_int(name: str, default: int) -> int:
    """A whole number; BadSetting names the setting when it is none."""
    text = read(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise BadSetting(f"{name}={text!r} is not a whole number") from None


def default_state_dir() -> Path:
    """/var/lib/kvmweb for root, else kvmweb in the user's state folder (XDG)."""
    if os.geteuid() == 0:
        return Path("/var/lib/kvmweb")
    return Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local/state")) / "kvmweb"


def default_cache_dir() -> Path:
    """/var/cache/kvmweb for root, else kvmweb in the user's cache folder (XDG)."""
    if os.geteuid() == 0:
        return Path("/var/cache/kvmweb")
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kvmweb"


@dataclass(frozen=True)
class State:
    """Where everything that the dashboard writes lies; the folder is closed to others."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def db(self) -> Path:
        return self.root / "db"

    @property
    def web(self) -> Path:
        return self.root / "web"

    @property
    def virt(self) -> Path:
        return self.root / "virt"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def database(self) -> Path:
        return self.db / "kvmweb.sqlite3"

    def socket(self, name: str) -> Path:
        """The unix socket of a process: redis, web, web-2, console..."""
        return self.run / f"{name}.sock"

    def folders(self) -> tuple[Path, ...]:
        return (self.root, self.run, self.db, self.web, self.virt, self.logs, self.backups)

    def prepare(self) -> None:
        """Make the folders, 0700; BadSetting when one is a link, another's, or open to others."""
        if len(str(self.socket(f"console-{MOST_PROCESSES}"))) > 100:
            raise BadSetting(f"KVMWEB_STATE_DIR={self.root} is too long: unix sockets inside it would pass 100 bytes")
        for folder in self.folders():
            folder.mkdir(mode=0o700, parents=folder == self.root, exist_ok=True)
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode):
                raise BadSetting(f"{folder} is not a folder of its own (a link?)")
            if status.st_uid != os.geteuid():
                raise BadSetting(f"{folder} belongs to another user")
            if status.st_mode & 0o077:
                raise BadSetting(f"{folder} is open to others; close it with: chmod 0700 {folder}")

    @property
    def sealing_key(self) -> Path:
        """The public half of the key to which secrets are sealed."""
        return self.web / "sealing_key.pub"

    def secret(self, folder: Path, name: str, length: int = 32) -> str:
        """A random text kept in a 0600 file, made at the first call."""
        path = folder / name
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text()
        with os.fdopen(descriptor, "w") as file:
            value = secrets.token_hex(length)
            file.write(value)
        return value


@dataclass(frozen=True)
class Environment:
    """Every setting, read once."""

    state: State
    cache: Path
    bind: str
    port: int
    base_url: str
    node: str
    hosts: tuple[str, ...]
    session_idle_seconds: int
    session_absolute_seconds: int
    local_uri_socket: str
    proxy_timeout: int
    tls_cert: str
    tls_key: str
    key_file: Path
    database_url: str
    redis_url: str
    processes: Mapping[str, int]
    machine: str

    @property
    def loopback(self) -> bool:
        return self.bind in ("127.0.0.1", "::1", "localhost")

    def programs(self, name: str) -> list[str]:
        """What the processes of that name are called: web, web-2, web-3."""
        return [name if number == 1 else f"{name}-{number}" for number in range(1, self.processes[name] + 1)]

    @property
    def own_redis(self) -> bool:
        """Whether Redis is a private one, started with the dashboard."""
        return not self.redis_url

    @property
    def redis(self) -> str:
        """Where Redis is, as redis-py reads it."""
        return self.redis_url or f"unix://{self.state.socket('redis')}?db=0"

    @property
    def tls(self) -> bool:
        """TLS whenever others can reach the port."""
        return not self.loopback


def this_machine() -> str:
    """What tells this machine from others, "" where it has no id: a hash, because the id itself is confidential
    (machine-id(5))."""
    try:
        identity = Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""
    return hmac.new(identity.encode(), b"kvmweb", hashlib.sha256).hexdigest() if identity else ""


def processes(text: str) -> dict[str, int]:
    """How many of each, from "web=2,worker=3"; BadSetting for another name, or a number below 1 or above 16."""
    found = dict.fromkeys(SEVERAL, 1)
    for part in filter(None, text.split(",")):
        name, _, number = part.strip().partition("=")
        if name not in SEVERAL or not number.isdigit() or not 1 <= int(number) <= MOST_PROCESSES:
            names = ", ".join(SEVERAL)
            raise BadSetting(f"KVMWEB_PROCESSES: {part.strip()!r} is not one of {names} with 1 to {MOST_PROCESSES}")
        found[name] = int(number)
    return found


def usable_redis(url: str) -> str:
    """The URL itself; BadSetting for one whose Redis anybody on the way could read, write or take the place of."""
    parts = urlsplit(url)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not url or parts.scheme == "unix" or (parts.scheme in ("redis", "rediss") and here):
        return url
    if parts.scheme != "rediss" or not parts.password:
        raise BadSetting(
            "KVMWEB_REDIS_URL names another machine: it needs TLS and a password (rediss://:PASSWORD@NAME)"
        )
    if "ssl_cert_reqs" in parts.query or "ssl_check_hostname" in parts.query:
        raise BadSetting("KVMWEB_REDIS_URL must not switch off the check of the server's certificate")
    return url


def load() -> Environment:
    """The settings as the environment gives them; BadSetting says which is wrong."""
    root = Path(read("KVMWEB_STATE_DIR") or default_state_dir())
    if not root.is_absolute():
        raise BadSetting(f"KVMWEB_STATE_DIR={root} is not an absolute path")
    return Environment(
        state=State(root),
        cache=Path(read("KVMWEB_CACHE_DIR") or default_cache_dir()),
        bind=read("KVMWEB_BIND", "127.0.0.1"),
        port=read_int("KVMWEB_PORT", 8000),
        base_url=read("KVMWEB_BASE_URL").rstrip("/"),
        node=read("KVMWEB_NODE") or socket.gethostname(),
        hosts=tuple(name for name in read("KVMWEB_HOSTS").split(",") if name),
        session_idle_seconds=read_int("KVMWEB_SESSION_IDLE", 8 * 3600),
        session_absolute_seconds=read_int("KVMWEB_SESSION_ABSOLUTE", 12 * 3600),
        local_uri_socket=read("KVMWEB_LIBVIRT_SOCKET"),
        proxy_timeout=read_int("KVMWEB_PROXY_TIMEOUT", 3600),
        tls_cert=read("KVMWEB_TLS_CERT"),
        tls_key=read("KVMWEB_TLS_KEY"),
        database_url=read("KVMWEB_DATABASE_URL"),
        machine=this_machine(),
        processes=processes(read("KVMWEB_PROCESSES")),
        redis_url=usable_redis(read("KVMWEB_REDIS_URL")),
        key_file=Path(os.environ.get("KVMWEB_KEY_FILE") or State(root).virt / "unsealing_key"),
    )


# Debian puts the server's program into redis-tools under this name (its package redis-server adds only a service):
# what it is depends on its first argument.
REDIS_PROGRAM = "/usr/bin/redis-check-rdb"
