"""What somebody answers before a cloud image's first boot."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Address:
    """What a card of this MAC is called by in the network, in place of DHCP. address: with its prefix
    ("192.0.2.10/24"). gateway: "" for none. resolvers: addresses that names are asked of."""

    mac: str
    address: str
    gateway: str = ""
    resolvers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """What is not answered stays as the image has it.

    instance: a new one makes cloud-init do everything again. user: "" for the image's own. keys: lines as sshd reads
    them. password: as hashed() made it, never as it is typed. packages: names; commands: lines for the shell, run once
    as root. user_data and network: files as somebody wrote them, which have the last word over the other answers.
    again: it has booted before, as another machine.
    """

    instance: str
    hostname: str
    user: str = ""
    keys: tuple[str, ...] = ()
    password: str = field(default="", repr=False)
    packages: tuple[str, ...] = ()
    commands: tuple[str, ...] = field(default=(), repr=False)
    addresses: tuple[Address, ...] = ()
    user_data: str = field(default="", repr=False)
    network: str = field(default="", repr=False)
    again: bool = False
