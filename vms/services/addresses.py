"""What may be asked for over the web: how an address that a user gives is read, and which places are outside.

Nothing is asked of the net here; the one door is vms.services.outbound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from vms.errors import OutboundRefused

IP = IPv4Address | IPv6Address

PORTS: Final = {"http": 80, "https": 443}
LONGEST: Final = 2000
LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# Looks like an IPv4 address in one of the spellings that resolvers take: 127.1, 0x7f.1, 2130706433.
NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

# IANA's registries of special-purpose addresses, with what is no host of the internet; what looks public and is the
# machine's own cloud (168.63.129.16) too.
INSIDE_4: Final = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
)  # fmt: skip
# The only part of IPv6 that is given out as global unicast, and what in it is something else: Teredo and the rest of
# the protocols' block, documentation, 6to4, the 6bone, AS112.
OUTSIDE_6: Final = ip_network("2000::/3")
INSIDE_6: Final = tuple(
    ip_network(block)
    for block in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20")
)
# IPv4 in other clothes: a network that has only IPv6 gives its neighbours these (RFC 6052).
MAPPED: Final = IPv6Network("::ffff:0:0/96")
NAT64: Final = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class WebAddress:
    """An address that was read. host: a name in lower case, or an IP address; target: path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """What stands in Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def file_name(self) -> str:
        """The last part of its path."""
        return self.target.partition("?")[0].rpartition("/")[2]

    def follow(self, location: str) -> WebAddress:
        """Where a redirect leads. Raises OutboundRefused, also where it leaves TLS."""
        there = parse(urljoin(self.url, location))
        if self.scheme == "https" and there.scheme != "https":
            raise OutboundRefused
        return there


def parse(url: str) -> WebAddress:
    """The address, whatever its port. Raises OutboundRefused for what is no plain http or https address: also for one
    with a user or password, and for numbers in the place of a name that are no IP address as it is written today."""
    if len(url) > LONGEST or any(sign <= " " or sign == "\x7f" or sign == "\\" for sign in url):
        raise OutboundRefused
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OutboundRefused from None
    if parts.scheme not in PORTS or "@" in parts.netloc or not parts.hostname or port == 0:
        raise OutboundRefused
    return WebAddress(parts.scheme, read_host(parts), port or PORTS[parts.scheme], target(parts))


def read_host(parts: SplitResult) -> str:
    """The host as it is asked for. Raises OutboundRefused."""
    host = (parts.hostname or "").lower()
    if "[" in parts.netloc:
        return str(read_ip(host))
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        raise OutboundRefused from None
    labels = host.removesuffix(".").split(".")
    if NUMBER.fullmatch(labels[-1]):
        return str(read_ip(host))
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise OutboundRefused
    return ".".join(labels)


def read_ip(text: str) -> IP:
    """Raises OutboundRefused for what is no IP address, and for one of a link (fe80::1%eth0)."""
    try:
        address = ip_address(text)
    except ValueError:
        raise OutboundRefused from None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise OutboundRefused
    return address


def target(parts: SplitResult) -> str:
    """Path and query in ASCII; what is escaped already stays so."""
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return f"{path}?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else path


def is_outside(address: IP) -> bool:
    """Whether it is a host of the internet: global unicast, in whatever clothes it comes."""
    if isinstance(address, IPv4Address):
        return not any(address in block for block in INSIDE_4)
    if address.scope_id:
        return False
    if address in MAPPED or address in NAT64:
        return is_outside(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in OUTSIDE_6 and not any(address in block for block in INSIDE_6)
