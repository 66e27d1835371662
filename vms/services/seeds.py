"""What people answer for a cloud image's first boot: checked field by field, and handed on sealed alone."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any, Final

from django.utils import timezone

from vms.errors import BadFields, RequestRefused
from vms.kinds.seeds import DROP_SEED
from vms.models import Happening, Placement, Seed, User
from vms.permissions import Actor
from vms.seed import Address, Answers, check_network, check_user_data, hashed
from vms.services import operations, ssh_keys

logger = logging.getLogger(__name__)

USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOSTNAME: Final = re.compile(rf"{LABEL}(?:\.{LABEL}){{0,8}}", re.IGNORECASE)
PACKAGE: Final = re.compile(r"[A-Za-z0-9@][A-Za-z0-9.+:~=_/@-]{0,199}")
MOST_KEYS, MOST_PACKAGES, MOST_COMMANDS, MOST_RESOLVERS = 50, 200, 200, 8
LONGEST_COMMAND: Final = 4096
# What a disc takes at most, in bytes.
SIZE: Final = 1 << 20
# So long a first boot takes at most, emulated; how soon it is looked for its end, and how often from then on.
BOOT: Final = timedelta(minutes=30)
FIRST_LOOK: Final = timedelta(minutes=10)
AGAIN: Final = timedelta(minutes=10)
# Shorter ones are guessed before the guest has its updates.
PASSWORD: Final = (8, 200)


@dataclass(frozen=True)
class SeedWish:
    """What somebody answers; what is empty stays as the image has it. hostname: "" for the VM's name. keys: lines.
    address: "" for DHCP, else with its prefix. keep: the disc stays in the VM after the first boot."""

    user: str = ""
    keys: tuple[str, ...] = ()
    password: str = field(default="", repr=False)
    hostname: str = ""
    packages: tuple[str, ...] = ()
    commands: tuple[str, ...] = field(default=(), repr=False)
    address: str = ""
    gateway: str = ""
    resolvers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    user_data: str = field(default="", repr=False)
    network_config: str = field(default="", repr=False)
    keep: bool = False


def tidy(wish: SeedWish) -> SeedWish:
    """The same without lines and words that say nothing."""
    return replace(
        wish,
        keys=tuple(line.strip() for line in wish.keys if line.strip()),
        packages=tuple(filter(None, wish.packages)),
        commands=tuple(line.rstrip() for line in wish.commands if line.strip()),
    )


def check(wish: SeedWish, *, has_card: bool) -> None:
    """Nothing, or BadFields by the names of the wish, BadSeed for what is to be read by cloud-init itself. Neither
    holds anything of what was sent."""
    wish = tidy(wish)
    packages = len(wish.packages) <= MOST_PACKAGES and all(map(PACKAGE.fullmatch, wish.packages))
    wrong = {
        **wrong_name(wish.user, wish.hostname),
        **wrong_password(wish.password),
        **wrong_keys(wish.keys),
        **({} if packages else {"packages": "packages"}),
        **({} if fits(wish.commands) else {"commands": "commands"}),
        **wrong_network(wish, has_card=has_card),
    }
    if wrong:
        raise BadFields(wrong)
    if wish.user_data:
        check_user_data(wish.user_data)
    if wish.network_config:
        check_network(wish.network_config)


def answers(wish: SeedWish, *, instance: str, name: str, mac: str, new_machine: bool = False) -> Answers:
    """The answers for the VM of this name, whose first card has this MAC. instance: for its first boot its UUID.
    new_machine: its disk was another machine's. Raises as check() does."""
    check(wish, has_card=bool(mac))
    wish = tidy(wish)
    return Answers(
        instance=instance,
        hostname=wish.hostname or guest_name(name),
        user=wish.user,
        keys=tuple(" ".join(filter(None, ssh_keys.parse(line))) for line in wish.keys),
        password=hashed(wish.password) if wish.password else "",
        packages=wish.packages,
        commands=wish.commands,
        addresses=(address(wish, mac),) if wish.address else (),
        user_data=wish.user_data.replace("\r\n", "\n"),
        network=wish.network_config.replace("\r\n", "\n"),
        new_machine=new_machine,
    )


def own_keys(user: User) -> tuple[str, ...]:
    """Lines of the keys that he keeps in his account, the newest first."""
    return tuple(f"{key.key} {key.name}" for key in ssh_keys.find_keys(user))


def guest_name(name: str) -> str:
    """A host's name made of the VM's: what no host's name may have becomes a hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].rstrip("-") or "vm"


def wrong_name(user: str, hostname: str) -> dict[str, str]:
    return {
        **({} if not user or USER.fullmatch(user) else {"user": "guest_user"}),
        **(
            {}
            if not hostname or (HOSTNAME.fullmatch(hostname) and len(hostname) <= 253)
            else {"hostname": "guest_name"}
        ),
    }


def wrong_password(password: str) -> dict[str, str]:
    shortest, longest = PASSWORD
    good = not password or (shortest <= len(password) <= longest and password.isprintable())
    return {} if good else {"password": "guest_password"}


def wrong_keys(keys: tuple[str, ...]) -> dict[str, str]:
    """The first line that is none, by its code."""
    if len(keys) > MOST_KEYS:
        return {"keys": "ssh_many"}
    for line in keys:
        try:
            ssh_keys.parse(line)
        except BadFields as refused:
            return {"keys": refused.errors["key"]}
    return {}


def fits(commands: tuple[str, ...]) -> bool:
    return len(commands) <= MOST_COMMANDS and all(
        len(line) <= LONGEST_COMMAND and line.replace("\t", " ").isprintable() for line in commands
    )


def wrong_network(wish: SeedWish, *, has_card: bool) -> dict[str, str]:
    """What does not fit of a fixed address; without one the rest is of no use."""
    wrong: dict[str, str] = {}
    own = interface(wish.address)
    if wish.address and own is None:
        wrong["address"] = "guest_address"
    if wish.address and not has_card:
        wrong["address"] = "no_card"
    if not wish.address and (wish.gateway or wish.resolvers or wish.search):
        wrong["address"] = "guest_address_first"
    if wish.gateway and own is not None and not reaches(own, wish.gateway):
        wrong["gateway"] = "out_of_subnet"
    if len(wish.resolvers) > MOST_RESOLVERS or not all(is_address(each) for each in wish.resolvers):
        wrong["resolvers"] = "ip_address"
    if len(wish.search) > MOST_RESOLVERS or not all(map(HOSTNAME.fullmatch, wish.search)):
        wrong["search"] = "domain_name"
    return wrong


def interface(text: str) -> IPv4Interface | IPv6Interface | None:
    """The address with its prefix, which nobody may leave out; None where it is a machine's in no network."""
    try:
        found = ip_interface(text)
    except ValueError:
        return None
    inside = found.network
    edge = inside.num_addresses > 2 and found.ip == inside.network_address
    last = inside.version == 4 and inside.num_addresses > 2 and found.ip == inside.broadcast_address
    odd = found.ip.is_multicast or found.ip.is_loopback or found.ip.is_unspecified
    return None if "/" not in text or "%" in text or edge or last or odd else found


def reaches(own: IPv4Interface | IPv6Interface, gateway: str) -> bool:
    """Whether the card reaches that machine without another's help."""
    if not is_address(gateway):
        return False
    other = ip_address(gateway)
    return other.version == own.version and other != own.ip and (other in own.network or other.is_link_local)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def address(wish: SeedWish, mac: str) -> Address:
    return Address(mac, str(ip_interface(wish.address)), wish.gateway, wish.resolvers, wish.search)


def to_json(told: Answers) -> str:
    """The answers for sealing."""
    return json.dumps(asdict(told))


def from_json(text: str) -> Answers:
    """What to_json made."""
    told: dict[str, Any] = json.loads(text)
    addresses = tuple(
        Address(**{**each, "resolvers": tuple(each["resolvers"]), "search": tuple(each["search"])})
        for each in told.pop("addresses")
    )
    lists = {key: tuple(told[key]) for key in ("keys", "packages", "commands")}
    return Answers(**{**told, **lists, "addresses": addresses})


def lines(text: str) -> tuple[str, ...]:
    """What a field with a line each says."""
    return tuple(line for line in text.splitlines() if line.strip())


def words(text: str) -> tuple[str, ...]:
    """What a field with blanks or commas between says."""
    return tuple(text.replace(",", " ").split())


def told_of(wish: SeedWish) -> Mapping[str, Any]:
    """What may be shown of it, and kept in clear: names and numbers, of the rest whether it is there."""
    return {
        "user": wish.user,
        "hostname": wish.hostname,
        "keys": len(wish.keys),
        "password": bool(wish.password),
        "packages": list(wish.packages),
        "commands": len(wish.commands),
        "address": wish.address,
        "gateway": wish.gateway,
        "resolvers": list(wish.resolvers),
        "search": list(wish.search),
        "user_data": bool(wish.user_data),
        "network_config": bool(wish.network_config),
        "keep": wish.keep,
    }


def lets_in(wish: SeedWish | None) -> bool:
    """Whether somebody can log in, as far as we can tell."""
    return wish is not None and bool(wish.keys or wish.password or wish.user_data)


def drop_due() -> int:
    """Ask for the discs to be taken away whose VMs have had their first boot, with the rights of who gave the answers;
    how many were asked for."""
    due = Seed.objects.filter(look_at__lte=timezone.now(), vm__deleted_at=None, vm__trashed_at=None)
    asked = 0
    for seed in due.exclude(volume=None).select_related("vm", "by")[:20]:
        # One of several workers.
        mine = Seed.objects.filter(pk=seed.pk, look_at=seed.look_at)
        if not mine.update(look_at=timezone.now() + AGAIN) or not is_read(seed) or seed.by is None:
            continue
        try:
            operations.request(DROP_SEED, seed.vm, actor=Actor(seed.by), locks=[f"volume:{seed.volume_id}"])
            asked += 1
        except RequestRefused as refused:
            logger.info("the disc of the first boot of VM %s stays: %s", seed.vm_id, refused.code)
    return asked


def is_read(seed: Seed) -> bool:
    """Whether its VM has had its first boot: it has run for long enough, or ran and is off."""
    placement = Placement.objects.filter(current_of=seed.vm_id, present=True).first()
    if placement is None:
        return False
    if placement.state == "running":
        return placement.state_since is not None and placement.state_since < timezone.now() - BOOT
    ran = Happening.objects.filter(vm=seed.vm_id, code="state", at__gte=seed.made_at)
    return placement.state == "shut_off" and ran.exists()
