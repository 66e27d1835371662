"""What a guest's agent is asked to do. None holds the VM: an agent that answers nothing must be in nobody's way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vms.errors import BadParameters
from vms.kinds.base import Kind, Params
from vms.kinds.power import RUNS
from vms.kinds.words import mark

# Seconds for which file systems may be frozen; whoever writes in the guest stands still.
SHORTEST, LONGEST = 5, 600
# What systems take for a user's name, without what chpasswd and paths take for something else.
USER: Final = re.compile(r"[^\W-][^\x00-\x1f\x7f:/\\]{0,63}")
MOST_KEYS: Final = 20
# File systems that a guest tells of and that are full by nature.
READ_ONLY: Final = frozenset({"iso9660", "udf", "squashfs", "erofs", "cramfs", "romfs", "CDFS", "UDF"})


@dataclass(frozen=True)
class Frozen(Params):
    """seconds: after so many they are thawed, by the worker that is there then."""

    seconds: int

    def __post_init__(self) -> None:
        if not SHORTEST <= self.seconds <= LONGEST:
            raise BadParameters(field="seconds")


@dataclass(frozen=True)
class Account(Params):
    """user: of the guest. His new password is the secret "password"."""

    user: str

    def __post_init__(self) -> None:
        if not is_user(self.user):
            raise BadParameters(field="user")


@dataclass(frozen=True)
class Keys(Params):
    """add: lines, as services.ssh_keys parses them. remove: fingerprints. Neither: they are only read."""

    user: str
    add: list  # type: ignore[type-arg]
    remove: list  # type: ignore[type-arg]

    def __post_init__(self) -> None:
        if not is_user(self.user):
            raise BadParameters(field="user")


def is_user(name: str) -> bool:
    return bool(USER.fullmatch(name)) and name.isprintable() and name == name.strip()


FREEZE: Final = Kind(
    name="vm.agent-freeze",
    title=mark("Freeze the file systems"),
    done=mark("frozen in its file systems"),
    target="vm",
    privileges=("vm.agent.freeze",),
    params=Frozen,
    queue="guest",
    states=RUNS,
    lock=False,
    silence_seconds=90,
    harm=3,
    apart=True,
)
THAW: Final = Kind(
    name="vm.agent-thaw",
    title=mark("Thaw the file systems"),
    done=mark("thawed"),
    target="vm",
    privileges=("vm.agent.freeze",),
    queue="guest",
    states=RUNS,
    lock=False,
    silence_seconds=90,
    apart=True,
)
TIME: Final = Kind(
    name="vm.agent-time",
    title=mark("Set the guest's clock"),
    done=mark("given the right time"),
    target="vm",
    privileges=("vm.agent.freeze",),
    queue="guest",
    states=RUNS,
    lock=False,
    silence_seconds=90,
    apart=True,
)
PASSWORD: Final = Kind(
    name="vm.agent-password",
    title=mark("Set a password in the guest"),
    done=mark("given a password"),
    target="vm",
    privileges=("vm.agent.password",),
    params=Account,
    queue="guest",
    states=RUNS,
    lock=False,
    silence_seconds=90,
    harm=3,
    secrets=frozenset({"password"}),
    apart=True,
)
KEYS: Final = Kind(
    name="vm.agent-keys",
    title=mark("SSH keys in the guest"),
    done=mark("asked for SSH keys"),
    target="vm",
    privileges=("vm.agent.password",),
    params=Keys,
    queue="guest",
    states=RUNS,
    lock=False,
    silence_seconds=120,
    harm=3,
    apart=True,
)

KINDS = (FREEZE, THAW, TIME, PASSWORD, KEYS)
