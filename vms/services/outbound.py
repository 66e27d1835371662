"""The one door out: every request to an address that a user can influence goes through open_url() or post().

The name is resolved once; unless every answer is a host of the internet and none is ours or a host's, nothing is asked.
The connection goes to the address that was looked at, with the name in Host and in TLS alone; no proxy and no password
of the environment is used. Whatever is refused, and whatever does not answer, reads the same to who asked: he must
not learn from here what is inside. Slow: workers only (a contract of import-linter keeps pages and API away).
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from vms.errors import OutboundBroken, OutboundRefused, ServerRefused
from vms.models import Host
from vms.services.addresses import IP, PORTS, WebAddress, is_outside, parse

logger = logging.getLogger(__name__)

REDIRECTS: Final = 3
# Until the answer begins, with all redirects, and between two pieces of it.
PATIENCE: Final = 30.0
REDIRECTING: Final = (301, 302, 303, 307, 308)


@dataclass
class Answer:
    """What a server sends. size: of the whole thing, None where it does not tell; start: where in it this begins;
    version: what changes when the thing does, "" where it does not tell; at: how far it has been read."""

    response: http.client.HTTPResponse
    size: int | None
    start: int
    version: str
    until: float
    at: int = field(init=False)

    def __post_init__(self) -> None:
        self.at = self.start

    def read(self, most: int) -> bytes:
        """The next piece, b"" at the end. Raises OutboundBroken where it stops in the middle or takes too long."""
        if time.monotonic() > self.until:
            raise OutboundBroken
        try:
            piece = self.response.read1(most)
        except (OSError, http.client.HTTPException) as error:
            raise OutboundBroken from error
        self.at += len(piece)
        if not piece and self.size is not None and self.at < self.size:
            raise OutboundBroken
        return piece

    def text(self, most: int) -> str:
        """All of it, for what is short. Raises OutboundBroken, OutboundRefused where it is longer."""
        found = b""
        while piece := self.read(most + 1):
            found += piece
            if len(found) > most:
                raise OutboundRefused
        return found.decode("utf-8", "replace")


@contextmanager
def open_url(url: str, *, start: int = 0, version: str = "", seconds: float = 3600.0) -> Iterator[Answer]:
    """What the address sends, from start on where the server can do that and the thing still is of that version.

    Raises OutboundRefused, OutboundBroken where the server went away, ServerRefused where it says no.
    """
    until = time.monotonic() + seconds
    address = parse(url)
    for _ in range(REDIRECTS + 1):
        with asked(address, start, version, until) as response:
            location = response.getheader("Location")
            if response.status in REDIRECTING and location:
                address = address.follow(location)
                continue
            yield answer(response, start, until)
            return
    logger.info("outbound: %s redirects too often", address.host)
    raise OutboundRefused


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> int:
    """The status with which the server takes the body; a redirect is not followed, and of the answer nothing is read.

    Raises OutboundRefused, OutboundBroken.
    """
    with asked(parse(url), 0, "", time.monotonic() + seconds, Sent(body, headers)) as response:
        return response.status


@dataclass(frozen=True)
class Sent:
    """What is given to a server rather than asked of it."""

    body: bytes
    headers: Mapping[str, str]


class Pinned(http.client.HTTPConnection):
    """One to an address that was looked at, also where it must be opened anew."""

    def __init__(self, address: WebAddress, until: float) -> None:
        super().__init__(address.host, address.port)
        self.address, self.until, self.was_cut = address, until, threading.Event()

    def connect(self) -> None:
        """Raises OutboundRefused where none of the addresses answers, or somebody else in the name's place."""
        for each in choose(self.address):
            left = self.until - time.monotonic()
            if left <= 0:
                break
            try:
                self.sock = socket.create_connection((str(each), self.address.port), timeout=left)
                if self.address.scheme == "https":
                    # Known to cut() before anything is read from it.
                    self.sock = context().wrap_socket(
                        self.sock, server_hostname=self.address.host, do_handshake_on_connect=False
                    )
                    self.sock.do_handshake()
            except OSError as error:
                logger.info("outbound: %s: %r", self.address.host, error)
                self.close()
            else:
                self.sock.settimeout(PATIENCE)
                return
        raise OutboundRefused

    def cut(self) -> None:
        """End it from any thread."""
        self.was_cut.set()
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def asked(
    address: WebAddress, start: int, version: str, until: float, sent: Sent | None = None
) -> Iterator[http.client.HTTPResponse]:
    """The beginning of the answer to one request."""
    patience = min(PATIENCE, until - time.monotonic())
    connection = Pinned(address, time.monotonic() + patience)
    try:
        response = ask(connection, start, version, patience, sent)
        try:
            yield response
        finally:
            response.close()
    finally:
        connection.close()


def ask(
    connection: Pinned, start: int, version: str, patience: float, sent: Sent | None = None
) -> http.client.HTTPResponse:
    """The beginning of the answer, within that time: a server that gives a byte at a time holds nobody for longer than
    one that says nothing. Raises OutboundRefused, OutboundBroken."""
    headers = {"Host": connection.address.authority, "User-Agent": "kvmweb", "Accept": "*/*"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": version} if version else {})
    method, body = ("POST", sent.body) if sent else ("GET", None)
    headers |= sent.headers if sent else {}
    cut = threading.Timer(max(patience, 0), connection.cut)
    cut.start()
    try:
        connection.request(method, connection.address.target, body, {**headers, "Accept-Encoding": "identity"})
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        logger.info("outbound: %s: %r", connection.address.host, error)
        raise OutboundBroken from error
    finally:
        cut.cancel()
    if connection.was_cut.is_set():
        # What was cut in the middle of its head reads like a short one.
        response.close()
        raise OutboundBroken
    return response


def answer(response: http.client.HTTPResponse, start: int, until: float) -> Answer:
    """The answer as it is read here. Raises ServerRefused, or OutboundRefused for one that is packed or contradicts
    itself."""
    if response.status not in (200, 206) or (response.status == 206 and not start):
        raise ServerRefused(status=response.status)
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise OutboundRefused
    strong = response.getheader("ETag", "")
    version = strong if strong.startswith('"') else response.getheader("Last-Modified", "")
    told = response.getheader("Content-Length", "")
    size = int(told) if told.isascii() and told.isdigit() and len(told) < 19 else None
    if response.status == 200:
        return Answer(response, size, 0, version, until)
    if response.getheader("Content-Range", "") != f"bytes {start}-{start + (size or 0) - 1}/{start + (size or 0)}":
        raise OutboundRefused
    return Answer(response, start + (size or 0), start, version, until)


def choose(address: WebAddress) -> list[IP]:
    """The addresses of the name, all of which are outside or allowed by the site. Raises OutboundRefused."""
    found = resolve(address.host, address.port)
    ours = own_names()
    for each in found:
        allowed = named_by_site(address, each)
        if allowed == "exactly":
            continue
        if (address.port != PORTS[address.scheme] or not is_outside(each)) and not allowed:
            logger.info("outbound: %s is no address to ask", address.host)
            raise OutboundRefused
        if is_here(each) or plain(each) in ours:
            logger.info("outbound: %s is ours", address.host)
            raise OutboundRefused
    return found


def plain(address: IP) -> IP:
    """The IPv4 address where it is one in IPv6's clothes."""
    return getattr(address, "ipv4_mapped", None) or address


def named_by_site(address: WebAddress, found: IP) -> str:
    """ "exactly" where the site allows this name or this one address, with its port; "by network" where it lies in a
    network that it allows; else ""."""
    usual = address.port == PORTS[address.scheme]
    by_network = False
    for host, port in settings.ENVIRONMENT.outbound_allow:
        if address.port != port if port else not usual:
            continue
        if host == address.host or host == str(plain(found)):
            return "exactly"
        by_network |= "/" in host and plain(found) in ip_network(host)
    return "by network" if by_network else ""


def own_names() -> frozenset[IP]:
    """The addresses of the hosts, and those that people reach the dashboard by."""
    names = set(Host.objects.filter(removed_at=None).exclude(address="").values_list("address", flat=True))
    names |= {name.removeprefix(".") for name in settings.ENVIRONMENT.hosts}
    names.add(urlsplit(settings.ENVIRONMENT.base_url).hostname or "")
    with ThreadPoolExecutor(16) as pool:
        return frozenset(plain(each) for found in pool.map(addresses_of, names - {""}) for each in found)


def addresses_of(name: str) -> list[IP]:
    """All addresses of the name, none where it has none."""
    try:
        return resolve(name, 443)
    except OutboundRefused:
        return []


def is_here(address: IP) -> bool:
    """Whether the machine itself has the address: the way there then begins at its end. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return False
        return plain(ip_address(probe.getsockname()[0].partition("%")[0])) == plain(address)


def resolve(host: str, port: int) -> list[IP]:
    """All addresses of the name, asked for once. Raises OutboundRefused."""
    found: list[IP] = []

    def ask() -> None:
        with suppress(OSError, UnicodeError):
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(ip_address(str(each[4][0])) for each in answers))

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive() or not found:
        logger.info("outbound: %s has no address", host)
        raise OutboundRefused
    return found


def context() -> ssl.SSLContext:
    """Whom to believe: the machine's authorities."""
    return ssl.create_default_context()
