"""What the dashboard is made of: one Program a process, in the order in which they are started."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kvmweb.environment import REDIS_PROGRAM, Environment

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
SECRET = ("KVMWEB_ADMIN_PASSWORD", "KVMWEB_ADMIN_PASSWORD_FILE")


@dataclass(frozen=True)
class Program:
    """How to start one process. grace: the seconds that it gets between SIGTERM and SIGKILL."""

    name: str
    argv: tuple[str, ...]
    executable: str = ""
    grace: float = 5.0
    environment: Mapping[str, str] = field(default_factory=dict)


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
        "redis-server", "--port", "0", "--unixsocket", str(state.socket("redis")), "--unixsocketperm", "600",
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
    return Program(name, argv)


def nginx(environment: Environment, configuration: Path) -> Program:
    argv = ("nginx", "-e", "stderr", "-p", str(environment.state.root), "-c", str(configuration))
    return Program("front", argv, executable="/usr/sbin/nginx")


def programs(environment: Environment, configuration: Path) -> list[Program]:
    """Everything, a Redis of our own first because all others ask it, the front last."""
    manage = (sys.executable, str(BASE / "manage.py"))
    return [
        *([redis(environment)] if environment.own_redis else []),
        *(web(environment, name) for name in environment.programs("web")),
        *(Program(name, (*manage, "work"), grace=10.0) for name in environment.programs("worker")),
        *(Program(name, (*manage, "watch")) for name in environment.programs("watcher")),
        *(Program(name, (*manage, "relay", "--name", name)) for name in environment.programs("console")),
        nginx(environment, configuration),
    ]


def demo(command: Sequence[str]) -> Program:
    """`manage.py demo`, which ends by itself."""
    proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
    return Program("demo", (sys.executable, str(BASE / "manage.py"), *command), grace=10.0, environment=proxies)


def current_environment() -> dict[str, str]:
    return children_environment(os.environ)
