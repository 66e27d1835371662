"""What the dashboard is made of: one Program a process, in the order in which they are started."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kvmweb.environment import REDIS_PROGRAM, Account, Environment, variables_of

BASE = Path(__file__).resolve().parent.parent.parent
# Children see these and KVMWEB_* without the secrets: whatever else is in the shell's environment is not theirs.
KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
)
# What is fetched from outside (the packages of the demo guest) may have to go through the site's proxy.
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# Below it a port is root's (ip_unprivileged_port_start).
FIRST_FREE_PORT = 1024
SECRET = ("KVMWEB_ADMIN_PASSWORD", "KVMWEB_ADMIN_PASSWORD_FILE")


@dataclass(frozen=True)
class Program:
    """How to start one process. grace: the seconds that it gets between SIGTERM and SIGKILL.

    walled: it has no way to a host, and is the web user's where there are two. roots: it is started as root even then.
    """

    name: str
    argv: tuple[str, ...]
    executable: str = ""
    grace: float = 5.0
    environment: Mapping[str, str] = field(default_factory=dict)
    walled: bool = False
    roots: bool = False

    def account(self, environment: Environment) -> Account | None:
        """Whose it is; None: whoever starts it."""
        if environment.users is None or self.roots:
            return None
        return environment.users.web if self.walled else environment.users.virt


def children_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What the dashboard's processes may see of the environment: no secret, nothing that they don't need."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in KEPT or (name.startswith("KVMWEB_") and name not in SECRET)
    }
    return {**kept, "DJANGO_SETTINGS_MODULE": "kvmweb.settings", "PYTHONUNBUFFERED": "1"}


def redis(environment: Environment) -> Program:
    state = environment.state
    argv = (
        "redis-server", "--port", "0", "--unixsocket", str(state.socket("redis")), "--unixsocketperm", "660",
        "--dir", str(state.run), "--save", "", "--appendonly", "no", "--daemonize", "no",
    )  # fmt: skip
    return Program("redis", argv, executable=REDIS_PROGRAM)


def web(environment: Environment, name: str) -> Program:
    """uvicorn; its pings stay well below the front's time-out, so that a quiet page is not cut off."""
    ping = min(20.0, environment.proxy_timeout / 3)
    argv = (
        sys.executable, "-m", "uvicorn", "kvmweb.asgi:application", "--uds", str(environment.state.socket(name)),
        "--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--ws-max-size", "1048576",
        "--ws-ping-interval", str(ping), "--ws-ping-timeout", "60", "--no-access-log",
        # The peer is always nginx, which sets these headers itself; the socket lies in a folder closed to others.
        "--proxy-headers", "--forwarded-allow-ips", "*", "--timeout-graceful-shutdown", "3", "--lifespan", "on",
    )  # fmt: skip
    return Program(name, argv, walled=True)


def nginx(environment: Environment, configuration: Path) -> Program:
    argv = ("nginx", "-e", "stderr", "-p", str(environment.state.root), "-c", str(configuration))
    if environment.users and environment.port < FIRST_FREE_PORT:
        return Program("front", (*on_a_low_port(environment.users.web), f"/usr/sbin/{argv[0]}", *argv[1:]), roots=True)
    return Program("front", argv, executable="/usr/sbin/nginx", walled=True)


def on_a_low_port(account: Account) -> tuple[str, ...]:
    """The words before a command that is the user's, and may listen where only root may."""
    one = "-all,+net_bind_service"
    return (
        "setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", f"--groups={','.join(map(str, account.groups))}",
        f"--inh-caps={one}", f"--ambient-caps={one}", f"--bounding-set={one}", "--no-new-privs", "--pdeathsig=TERM",
    )  # fmt: skip


def programs(environment: Environment, configuration: Path) -> list[Program]:
    """Everything, a Redis of our own first because all others ask it, the front last."""
    manage = (sys.executable, str(BASE / "manage.py"))
    return [
        *([redis(environment)] if environment.own_redis else []),
        *(web(environment, name) for name in environment.programs("web")),
        *(Program(name, (*manage, "work"), grace=10.0) for name in environment.programs("worker")),
        *(Program(name, (*manage, "watch")) for name in environment.programs("watcher")),
        *(Program(name, (*manage, "relay", "--name", name)) for name in environment.programs("console")),
        *(Program(name, (*manage, "transfer", "--name", name)) for name in environment.programs("transfer")),
        nginx(environment, configuration),
    ]


def demo(command: Sequence[str]) -> Program:
    """`manage.py demo`, which ends by itself."""
    proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
    return Program("demo", (sys.executable, str(BASE / "manage.py"), *command), grace=10.0, environment=proxies)


def current_environment(environment: Environment, account: Account | None) -> dict[str, str]:
    """What a process of that user is started with now."""
    given = children_environment(os.environ)
    return variables_of(account, environment, given) if account else given
