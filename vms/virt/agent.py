"""A guest's agent, asked through its host. What it tells is a stranger's word: each text is cut and freed of what is
not shown, each number kept within bounds, each list counted, before anybody else sees it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

import libvirt

from vms.errors import AgentAbsent, AgentRefused, HostRefused, NotLibvirt, Unsupported
from vms.libvirtxml import BadXML, DomainXML

# Seconds that an answer may take: to a question, and to what the guest is to do. The host keeps the last one that was
# said, for everybody, so it is left at the longer.
ASKED: Final = 5
TOLD: Final = 30
LONGEST_TEXT, LONGEST_DISK = 255, 40
LONGEST_REFUSAL: Final = 500
MOST_CARDS, MOST_ADDRESSES, MOST_FILE_SYSTEMS, MOST_USERS, MOST_DISKS = 16, 16, 64, 32, 8
MOST_KEYS: Final = 200
LONGEST_KEY: Final = 16 << 10
LARGEST: Final = 2**63 - 1
MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.ASCII)


@dataclass(frozen=True)
class GuestCard:
    """A network interface as the guest calls it. addresses: with their prefix."""

    name: str
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class GuestFileSystem:
    """disks: on which of the domain's ("vda"). total_bytes, used_bytes: None where it does not tell."""

    mounted_at: str
    type: str
    disks: tuple[str, ...]
    total_bytes: int | None
    used_bytes: int | None


@dataclass(frozen=True)
class GuestUser:
    """Somebody who is logged in, since so many seconds after 1970."""

    name: str
    domain: str
    since: int


@dataclass(frozen=True)
class GuestInfo:
    """What a guest tells of itself, "" and () for what it does not. ahead_seconds: by how much its clock is before
    this machine's. left_out: how many interfaces, file systems and users more there were."""

    host_name: str = ""
    system: str = ""
    version: str = ""
    kernel: str = ""
    machine: str = ""
    time_zone: str = ""
    ahead_seconds: int | None = None
    cards: tuple[GuestCard, ...] = ()
    file_systems: tuple[GuestFileSystem, ...] = ()
    users: tuple[GuestUser, ...] = ()
    left_out: int = 0


class Agent:
    """The agent of one domain's run. Every method raises AgentAbsent where it is not connected, AgentSilent where it
    does not answer in time, and AgentRefused where it says no."""

    def __init__(self, handle: Any, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self.handle = handle
        self.guard = guard

    def info(self) -> GuestInfo:
        """All that is shown of the guest, in several questions."""
        with self.asked(ASKED):
            told = self.handle.guestInfo(0, 0)
            return read(told, self.ahead())

    def ahead(self) -> int | None:
        """By how many seconds the guest's clock is before this machine's; None where it does not tell."""
        began = time.time()
        try:
            told = self.handle.getTime()
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE:
                raise
            return None
        return round(float(told["seconds"] + told["nseconds"] / 1e9) - (began + time.time()) / 2)

    def clock(self) -> int | None:
        """The same, alone."""
        with self.asked(TOLD):
            return self.ahead()

    def set_clock(self) -> None:
        """Let it be this machine's time."""
        with self.asked(TOLD):
            now = time.time()
            self.handle.setTime({"seconds": int(now), "nseconds": int(now % 1 * 1e9)}, 0)

    def freeze(self) -> int:
        """Freeze its file systems, so that nobody writes to them; how many."""
        with self.asked(TOLD):
            return int(self.handle.fsFreeze(None, 0))

    def thaw(self) -> int:
        """Thaw them; how many were frozen."""
        with self.asked(TOLD):
            return int(self.handle.fsThaw(None, 0))

    def set_password(self, user: str, password: str) -> None:
        with self.asked(TOLD):
            self.handle.setUserPassword(user, password, 0)

    def keys(self, user: str) -> list[str]:
        """The lines of the user's authorized_keys, as far as they are texts of one line."""
        with self.asked(TOLD):
            told = self.handle.authorizedSSHKeysGet(user, 0)
        lines = [line for line in told or () if len(line) <= LONGEST_KEY and line.isprintable()]
        return lines[:MOST_KEYS]

    def add_keys(self, user: str, lines: Sequence[str]) -> None:
        with self.asked(TOLD):
            self.handle.authorizedSSHKeysSet(user, list(lines), libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND)

    def remove_keys(self, user: str, lines: Sequence[str]) -> None:
        """Those lines; what stands there otherwise stays."""
        with self.asked(TOLD):
            self.handle.authorizedSSHKeysSet(user, list(lines), libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE)

    @contextmanager
    def asked(self, seconds: int) -> Iterator[None]:
        """Ask inside: an answer may take so many seconds, and what is said in the guest's own words is cut."""
        with self.guard():
            self.refuse_absent()
            self.wait(seconds)
        try:
            with self.guard():
                yield
        except (HostRefused, NotLibvirt, Unsupported) as error:
            # What the agent says is quoted by the host, and an answer that is too large for its protocol is an error
            # of that.
            raise AgentRefused(clean(error.details, LONGEST_REFUSAL)) from None
        except UnicodeDecodeError:
            raise AgentRefused("not UTF-8") from None
        finally:
            if seconds != TOLD:
                self.wait(TOLD)

    def refuse_absent(self) -> None:
        try:
            told = DomainXML.parse(self.handle.XMLDesc(0)).agent if self.handle.isActive() else ""
        except BadXML:
            told = ""
        if told not in ("connected", "defined"):
            raise AgentAbsent

    def wait(self, seconds: int) -> None:
        # libvirt before 5.10 waits as long as it takes: whoever asks has a connection of his own, and cuts it.
        with suppress(libvirt.libvirtError):
            self.handle.agentSetResponseTimeout(seconds, 0)


def read(told: Mapping[str, Any], ahead: int | None) -> GuestInfo:
    """What libvirt's names say, cut (virDomainGetGuestInfo)."""
    listed = (("if", MOST_CARDS), ("fs", MOST_FILE_SYSTEMS), ("user", MOST_USERS))
    names = {name: several(told, name, most) for name, most in listed}
    cards = [card(told, at) for at in names["if"]]
    return GuestInfo(
        host_name=text(told, "hostname"),
        system=text(told, "os.pretty-name") or text(told, "os.name"),
        version=text(told, "os.version"),
        kernel=text(told, "os.kernel-release"),
        machine=text(told, "os.machine"),
        time_zone=text(told, "timezone.name"),
        ahead_seconds=None if ahead is None else max(-LARGEST, min(ahead, LARGEST)),
        cards=tuple(one for one in cards if one.addresses),
        file_systems=tuple(sorted((file_system(told, at) for at in names["fs"]), key=lambda one: one.mounted_at)),
        users=tuple(logged_in(told, at) for at in names["user"]),
        left_out=sum(max(count(told, name) - most, 0) for name, most in listed),
    )


def card(told: Mapping[str, Any], at: str) -> GuestCard:
    return GuestCard(text(told, f"{at}.name"), mac(text(told, f"{at}.hwaddr")), addresses(told, at))


def file_system(told: Mapping[str, Any], at: str) -> GuestFileSystem:
    disks = (text(told, f"{disk}.alias", LONGEST_DISK) for disk in several(told, f"{at}.disk", MOST_DISKS))
    return GuestFileSystem(
        text(told, f"{at}.mountpoint"),
        text(told, f"{at}.fstype"),
        tuple(filter(None, disks)),
        number(told, f"{at}.total-bytes"),
        number(told, f"{at}.used-bytes"),
    )


def logged_in(told: Mapping[str, Any], at: str) -> GuestUser:
    """libvirt tells milliseconds."""
    since = (number(told, f"{at}.login-time") or 0) // 1000
    return GuestUser(text(told, f"{at}.name"), text(told, f"{at}.domain"), since)


def several(told: Mapping[str, Any], name: str, most: int) -> list[str]:
    """The beginnings of the names of those that are shown: "fs.0"."""
    return [f"{name}.{place}" for place in range(min(count(told, name), most))]


def count(told: Mapping[str, Any], name: str) -> int:
    return number(told, f"{name}.count") or 0


def text(told: Mapping[str, Any], name: str, most: int = LONGEST_TEXT) -> str:
    return clean(told.get(name, ""), most)


def clean(said: object, most: int) -> str:
    """The text without what is not seen, and no longer than that; "" for what is none."""
    if not isinstance(said, str):
        return ""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in said[:most])


def number(told: Mapping[str, Any], name: str) -> int | None:
    """A size or a number; None for what is none."""
    said = told.get(name)
    return said if isinstance(said, int) and 0 <= said <= LARGEST else None


def mac(said: str) -> str:
    return said.lower() if MAC.fullmatch(said.lower()) else ""


def addresses(told: Mapping[str, Any], card: str) -> tuple[str, ...]:
    """Those that a machine can be reached by, with their prefix."""
    found = []
    for at in several(told, f"{card}.addr", MOST_ADDRESSES):
        try:
            address = ip_address(text(told, f"{at}.addr"))
        except ValueError:
            continue
        if not (address.is_loopback or address.is_multicast or address.is_unspecified):
            prefix = number(told, f"{at}.prefix")
            fits = prefix is not None and prefix <= address.max_prefixlen
            found.append(f"{address.compressed.partition('%')[0]}{f'/{prefix}' if fits else ''}")
    return tuple(dict.fromkeys(found))
