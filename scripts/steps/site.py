"""What the site sets, read by the same module as the dashboard does; and the one lock of a state folder."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from scripts.steps.work import ROOT

if TYPE_CHECKING:
    from kvmweb.environment import Environment


def environment_module() -> ModuleType:
    """kvmweb.environment."""
    return alone("kvmweb_environment", ROOT / "kvmweb" / "environment.py")


def whisper_module() -> ModuleType:
    """kvmweb.supervisor.whisper."""
    return alone("kvmweb_whisper", ROOT / "kvmweb" / "supervisor" / "whisper.py")


def alone(name: str, path: Path) -> ModuleType:
    """The module without the package around it, which needs what is not installed yet."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(name)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def load() -> Environment:
    """The settings; ValueError says which is wrong."""
    environment: Environment = environment_module().load()
    return environment


def take_first_password() -> str:
    """KVMWEB_ADMIN_PASSWORD, which from here on is in no environment."""
    value: str = environment_module().read("KVMWEB_ADMIN_PASSWORD")
    for name in ("KVMWEB_ADMIN_PASSWORD", "KVMWEB_ADMIN_PASSWORD_FILE"):
        os.environ.pop(name, None)
    return value


def give_back(password: str) -> None:
    """For the same start in another folder."""
    if password:
        os.environ["KVMWEB_ADMIN_PASSWORD"] = password


def given(name: str) -> str:
    """A setting as it was given, "" where it was not."""
    value: str = environment_module().read(name)
    return value


def with_users(names: str) -> Environment:
    """The settings from here on, with these Unix users, and the state folder as theirs."""
    os.environ["KVMWEB_USERS"] = names
    environment = load()
    environment.prepare()
    return environment


def is_running(environment: Environment) -> bool:
    """Whether a dashboard, or the start of one, holds this state folder."""
    path = environment.state.lock
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def lock(environment: Environment) -> int | None:
    """The state folder's lock, to be inherited by the supervisor; None where another has it."""
    descriptor = os.open(environment.state.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def lock_clone() -> int:
    """Waits for another start from the same clone: two must not build the same folders at once."""
    folder: Path = ROOT / ".cache"
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / "setup.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor
