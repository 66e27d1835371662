"""What the site sets: one frozen value read from KVMWEB_* variables, and the layout of the state folder.

Each setting NAME may also be given as NAME_FILE, a file whose content is the value. docs/settings.md holds the table.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import pwd
import secrets
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What there may be several of, each doing the same work.
SEVERAL = ("web", "worker", "watcher", "console", "transfer")
MOST_PROCESSES = 16
MOST_TRASH_DAYS = 3650


class BadSetting(ValueError):
    """A setting or the state folder is not usable; the text says which and why."""


def read(name: str, default: str = "") -> str:
    """The value of a setting: the variable, else the content of the file that NAME_FILE names, else the default."""
    if name in os.environ:
        return os.environ[name]
    path = os.environ.get(f"{name}_FILE")
    try:
        return Path(path).read_text().strip() if path else default
    except OSError as error:
        raise BadSetting(f"{name}_FILE={path} cannot be read: {error.strerror}") from None


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
class Account:
    """A Unix user as a process of his needs it."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    def become(self) -> None:
        """For good; what is made from here on is closed to all but him and his group."""
        os.setgroups(self.groups)
        os.setgid(self.gid)
        os.setuid(self.uid)
        os.umask(0o007)


@dataclass(frozen=True)
class Users:
    """Whom root starts the processes as: web (front, web) has no way to a host, virt has all of them.

    Both are of virt's group, which the state folder is open to.
    """

    web: Account
    virt: Account


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

    @property
    def metrics(self) -> Path:
        return self.db / "metrics.sqlite3"

    def make_database(self) -> None:
        """Empty files where there are none: SQLite gives what it makes beside them the same rights."""
        for path in (self.database, self.metrics):
            with contextlib.suppress(FileExistsError):
                os.close(create(path))

    def socket(self, name: str) -> Path:
        """The unix socket of a process: redis, web, web-2, console..."""
        return self.run / f"{name}.sock"

    @property
    def lock(self) -> Path:
        """Held by whoever runs this dashboard."""
        return self.root / "lock"

    @property
    def register(self) -> Path:
        """Which processes run."""
        return self.root / "processes.json"

    @property
    def second(self) -> Path:
        """The demo's second host, root's alone (kvmweb.second)."""
        return self.root / "second"

    @property
    def sealing_key(self) -> Path:
        """The public half of the key to which secrets are sealed."""
        return self.db / "sealing_key.pub"

    @property
    def audit_heads(self) -> Path:
        """Where the audit's chain ended, told outside the database and out of the web process's reach."""
        return self.virt / "audit.head"

    @property
    def first_password(self) -> Path:
        """The generated password of the administrator, until a terminal has shown it."""
        return self.virt / "admin-password"

    @property
    def instance(self) -> str:
        """The random name of this dashboard."""
        return self.secret("instance", 8)

    @property
    def secret_key(self) -> str:
        """What sessions are bound to; web makes them and console compares them."""
        return self.secret("secret_key", 50)

    def folders(self) -> tuple[Path, ...]:
        return (self.root, self.run, self.db, self.web, self.virt, self.logs, self.backups)

    def prepare(self, users: Users | None = None) -> None:
        """Make the folders, closed to others; BadSetting when one is a link, another's, or open to others.

        For two users it is root who makes them; their own processes find everything there.
        """
        if len(str(self.socket(f"transfer-{MOST_PROCESSES}"))) > 100:
            raise BadSetting(f"KVMWEB_STATE_DIR={self.root} is too long: unix sockets inside it would pass 100 bytes")
        if self.is_shared():
            return require_closed(self.root, 0, 0o027)
        if not users and os.geteuid() == 0 and self.web.exists() and self.web.stat().st_uid:
            raise BadSetting(f"{self.root} was made for two users: leave KVMWEB_USERS unset, or take another folder")
        for folder in self.folders():
            folder.mkdir(mode=0o700, parents=folder == self.root, exist_ok=True)
            if not users:
                require_closed(folder, os.geteuid(), 0o077)
        if users:
            self.share(users)
        # Made by who may write here; the two users only read them.
        _ = self.instance, self.secret_key

    def is_shared(self) -> bool:
        """Whether root made the folder for two users, of whom this process's user is one."""
        if os.geteuid() == 0 or not self.root.exists():
            return False
        status = self.root.lstat()
        return status.st_uid == 0 and status.st_gid in (os.getegid(), *os.getgroups())

    def share(self, users: Users) -> None:
        """Give each folder to whom it belongs, with what a start as one user has left in it.

        Where root itself writes, nobody else may: a link made by a user would lead it astray.
        """
        web, virt, group = users.web.uid, users.virt.uid, users.virt.gid
        for parent in self.root.parents:
            if not parent.stat().st_mode & 0o001:
                raise BadSetting(
                    f"KVMWEB_STATE_DIR={self.root}: {users.web.name} and {users.virt.name} cannot pass {parent}"
                )
        for folder, mode in ((self.root, 0o750), (self.logs, 0o710)):
            require_closed(folder, 0, 0o027)
            os.chown(folder, 0, group)
            folder.chmod(mode)
        for file in (self.root / "instance", self.root / "secret_key"):
            if file.exists():
                os.chown(file, 0, group)
                file.chmod(0o640)
        for folder, owner, mode in (
            (self.web, web, 0o700), (self.virt, virt, 0o700), (self.backups, virt, 0o700),
            (self.run, virt, 0o2770), (self.db, virt, 0o2770),
        ):  # fmt: skip
            hand_over(folder, owner, group, mode)

    def secret(self, name: str, length: int) -> str:
        """A random text kept in a file that is open to whom the folder is, made at the first call."""
        path = self.root / name
        try:
            descriptor = create(path)
        except FileExistsError:
            return path.read_text()
        with os.fdopen(descriptor, "w") as file:
            value = secrets.token_hex(length)
            file.write(value)
        return value


def require_closed(folder: Path, owner: int, closed: int) -> None:
    """BadSetting where it is a link, another's, or has one of the rights that must be closed."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise BadSetting(f"{folder} is not a folder of its own (a link?)")
    if status.st_uid != owner:
        raise BadSetting(f"{folder} belongs to another user")
    if status.st_mode & closed:
        raise BadSetting(f"{folder} is open to others; close it with: chmod 0700 {folder}")


def hand_over(folder: Path, owner: int, group: int, mode: int) -> None:
    """Make it the owner's, with all that is in it where it was root's; BadSetting where it is somebody else's."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, owner):
        raise BadSetting(f"{folder} belongs to another user, or is no folder")
    if status.st_uid == 0:
        for path in folder.rglob("*"):
            os.chown(path, owner, group, follow_symlinks=False)
            if mode & 0o020 and not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o700 | (path.stat().st_mode & 0o700) >> 3)
    os.chown(folder, owner, group)
    folder.chmod(mode)


def create(path: Path) -> int:
    """A descriptor of a new file that is whose its folder is, and closed to whom that is; FileExistsError where there
    is one."""
    folder = path.parent.stat()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    if os.geteuid() == 0:
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    os.fchmod(descriptor, folder.st_mode & 0o660)
    return descriptor


@dataclass(frozen=True)
class Smtp:
    """The server that takes mail. tls: "tls" from the first byte on, "starttls", or "" to this machine itself."""

    host: str
    port: int
    user: str
    password: str
    tls: str


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
    session_fresh_seconds: int
    local_uri_socket: str
    proxy_timeout: int
    tls_cert: str
    tls_key: str
    key_file: Path
    database_url: str
    redis_url: str
    processes: Mapping[str, int]
    machine: str
    users: Users | None
    outbound_allow: tuple[tuple[str, int], ...]
    osinfo: tuple[Path, ...]
    trash_days: int
    smtp: Smtp | None
    mail_from: str

    def prepare(self) -> None:
        """Make the folders; BadSetting when one is not ours alone."""
        self.state.prepare(self.users)
        if self.users and not self.cache.exists():
            self.cache.mkdir(mode=0o755, parents=True)
            os.chown(self.cache, self.users.virt.uid, self.users.virt.gid)

    @property
    def audit_keys(self) -> Path:
        """The keys that seal the audit lie beside the one that opens secrets; the web process reads neither."""
        return self.key_file.with_name("audit_keys")

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


def account(name: str, group: int | None = None) -> Account:
    """The Unix user of that name, with his own group or another; BadSetting for one that is not there, or root."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise BadSetting(f"KVMWEB_USERS: there is no Unix user {name!r}") from None
    if entry.pw_uid == 0:
        raise BadSetting("KVMWEB_USERS: root is not one of them; for one user: KVMWEB_USERS=one")
    gid = entry.pw_gid if group is None else group
    return Account(name, entry.pw_uid, gid, tuple(os.getgrouplist(name, gid)))


def users(text: str, state: State) -> Users | None:
    """Whom root starts the processes as, from "WEB,VIRT", or where nothing is said from the folder; None: one user."""
    if os.geteuid() != 0 or text == "one":
        return None
    if not text:
        owners = [folder.stat().st_uid for folder in (state.web, state.virt) if folder.exists()]
        if 0 in owners or not owners:
            return None
        text = ",".join(pwd.getpwuid(owner).pw_name for owner in owners)
    web, _, virt = text.partition(",")
    if not virt or web == virt:
        raise BadSetting(f'KVMWEB_USERS={text!r} is neither "one" nor two users, such as "kvmweb-web,kvmweb"')
    hosts = account(virt)
    return Users(account(web, hosts.gid), hosts)


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


def smtp(url: str) -> Smtp | None:
    """The server of mail, from "smtp://USER:PASSWORD@NAME:587" (STARTTLS) or "smtps://..."; None where there is none.
    BadSetting for what is no such address."""
    if not url:
        return None
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or port == 0 or parts.path.strip("/") or parts.query:
        raise BadSetting("KVMWEB_SMTP_URL is not of the form smtp://USER:PASSWORD@NAME:PORT or smtps://...")
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    tls = "tls" if parts.scheme == "smtps" else "" if here else "starttls"
    usual = {"tls": 465, "starttls": 587, "": 25}[tls]
    return Smtp(parts.hostname, port or usual, unquote(parts.username or ""), unquote(parts.password or ""), tls)


def outbound_allow(text: str) -> tuple[tuple[str, int], ...]:
    """The names, addresses and networks, each with its port or 0, from "mirror.example.org:8080,10.1.0.0/16";
    BadSetting for what is none."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            if "/" in part:
                found.append((str(ip_network(part)), 0))
                continue
            parts = urlsplit(f"//{part}")
            host = parts.hostname or ""
            if parts.netloc != part or not host or "@" in part or " " in part or parts.port == 0:
                raise ValueError
            found.append((str(ip_address(host)) if ":" in host else host, parts.port or 0))
        except ValueError:
            raise BadSetting(
                f"KVMWEB_OUTBOUND_ALLOW: {part!r} is neither a name or address, with or without :PORT, nor a network"
            ) from None
    return tuple(found)


def osinfo(text: str) -> tuple[Path, ...]:
    """Where libosinfo's data may lie, the one that is right where several tell last: from "DIR:DIR", else where it and
    XDG put it."""
    if text:
        return tuple(Path(part) for part in text.split(":") if part)
    data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    config = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ.get('HOME', '')}/.config"
    folders = (*reversed([part for part in data.split(":") if part]), "/etc", config)
    return tuple(Path(folder) / "osinfo" for folder in folders)


def load() -> Environment:
    """The settings as the environment gives them; BadSetting says which is wrong."""
    root = Path(read("KVMWEB_STATE_DIR") or default_state_dir())
    if not root.is_absolute():
        raise BadSetting(f"KVMWEB_STATE_DIR={root} is not an absolute path")
    two = users(read("KVMWEB_USERS"), State(root))
    cache = Path(read("KVMWEB_CACHE_DIR") or default_cache_dir())
    return Environment(
        state=State(root),
        # What else root keeps there stays root's.
        cache=cache / two.virt.name if two else cache,
        bind=read("KVMWEB_BIND", "127.0.0.1"),
        port=read_int("KVMWEB_PORT", 8000),
        base_url=read("KVMWEB_BASE_URL").rstrip("/"),
        node=read("KVMWEB_NODE") or socket.gethostname(),
        hosts=tuple(name for name in read("KVMWEB_HOSTS").split(",") if name),
        session_idle_seconds=read_int("KVMWEB_SESSION_IDLE", 8 * 3600),
        session_absolute_seconds=read_int("KVMWEB_SESSION_ABSOLUTE", 12 * 3600),
        session_fresh_seconds=read_int("KVMWEB_SESSION_FRESH", 600),
        local_uri_socket=read("KVMWEB_LIBVIRT_SOCKET"),
        proxy_timeout=read_int("KVMWEB_PROXY_TIMEOUT", 3600),
        tls_cert=read("KVMWEB_TLS_CERT"),
        tls_key=read("KVMWEB_TLS_KEY"),
        database_url=read("KVMWEB_DATABASE_URL"),
        machine=this_machine(),
        users=two,
        processes=processes(read("KVMWEB_PROCESSES")),
        redis_url=usable_redis(read("KVMWEB_REDIS_URL")),
        outbound_allow=outbound_allow(read("KVMWEB_OUTBOUND_ALLOW")),
        osinfo=osinfo(read("KVMWEB_OSINFO_DIRS")),
        trash_days=trash_days(read_int("KVMWEB_TRASH_DAYS", 7)),
        smtp=smtp(read("KVMWEB_SMTP_URL")),
        mail_from=read("KVMWEB_MAIL_FROM") or f"kvmweb@{socket.getfqdn()}",
        key_file=Path(os.environ.get("KVMWEB_KEY_FILE") or State(root).virt / "unsealing_key"),
    )


def trash_days(days: int) -> int:
    """The days; BadSetting for fewer than none, and for more than one can count."""
    if not 0 <= days <= MOST_TRASH_DAYS:
        raise BadSetting(f"KVMWEB_TRASH_DAYS={days} is not a number of days from 0 (no trash) to {MOST_TRASH_DAYS}")
    return days


def variables_of(account: Account, environment: Environment, given: Mapping[str, str]) -> dict[str, str]:
    """What a process of that user sees of root's environment: root's folders, which the user cannot enter, are left
    out, and what depends on who asks is said."""
    kept = {name: value for name, value in given.items() if not name.startswith(("XDG_", "TMPDIR", "KVMWEB_USERS"))}
    if environment.users and account == environment.users.web and environment.smtp:
        # That mail is sent it has to know, not as whom.
        kept.pop("KVMWEB_SMTP_URL_FILE", None)
        kept["KVMWEB_SMTP_URL"] = "smtps://elsewhere"
    own = {"HOME": "/nonexistent", "USER": account.name, "LOGNAME": account.name}
    return {
        **kept, **own, "KVMWEB_STATE_DIR": str(environment.state.root), "KVMWEB_CACHE_DIR": str(environment.cache)
    }  # fmt: skip


def step_down() -> None:
    """Root with a state folder of two users becomes the one of them that reaches hosts: what root left behind there
    would be closed to both."""
    environment = load()
    if environment.users:
        environment.prepare()
        variables = variables_of(environment.users.virt, environment, os.environ)
        environment.users.virt.become()
        os.environ.clear()
        os.environ.update(variables)


# Debian puts the server's program into redis-tools under this name (its package redis-server adds only a service):
# what it is depends on its first argument.
REDIS_PROGRAM = "/usr/bin/redis-check-rdb"
