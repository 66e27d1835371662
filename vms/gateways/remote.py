"""The screen of a VM on another machine: the way to it, and the password that it is lent for one handshake.

Where to connect is read from the document that the host gives at that moment, and never taken from it: it only
decides between libvirt's own socket of this run, the host's loopback, and the address that the host was added by.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from vms import virt
from vms.errors import VirtError
from vms.gateways.closing import Ended
from vms.gateways.greeting import Greeting
from vms.libvirtxml import Graphics, loopback, new_password, unreachable
from vms.virt import Domain, HostSpec

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 5.0
GREETING_SECONDS: Final = 5.0
PASSWORD_SECONDS: Final = 30
# libvirt's folder for each run of a VM; its number is the run's.
SOCKET: Final = re.compile(r"/var/lib/libvirt/qemu/domain-([1-9][0-9]{0,9})-[^/\0\n]{1,100}/vnc\.sock", re.ASCII)
PORTS: Final = range(1, 65536)
# Nobody's right: what the relay itself may change of a screen, which is its password.
LENDS: Final = frozenset({"vm.device"})


def reach(spec: HostSpec, screen: Graphics, run: int) -> socket.socket:
    """Connected to the screen, over ssh perhaps to nobody. Ended: screen_unreachable."""
    listens, port = screen.listens, screen.port or 0
    if unreachable(spec.transport, spec.user, listens):
        raise Ended("screen_unreachable")
    if listens == "socket":
        return virt.tunnel_to_socket(spec, own_socket(screen, run))
    if port not in PORTS:
        raise Ended("screen_unreachable")
    if spec.transport == "ssh":
        return virt.tunnel(spec, loopback(screen.address), port)
    try:
        return socket.create_connection((spec.address, port), CONNECT_SECONDS)
    except OSError as error:
        logger.info("no way to the screen at port %s of %s: %s", port, spec.address, error)
        raise Ended("screen_unreachable") from None


def own_socket(screen: Graphics, run: int) -> str:
    """The path of libvirt's own socket for this run; a path of somebody's choice is not taken."""
    found = SOCKET.fullmatch(screen.socket or "")
    if found is None or int(found[1]) != run:
        raise Ended("screen_unreachable")
    return found[0]


def greet(target: socket.socket, domain: Domain, screen: Graphics) -> None:
    """Shake hands; where the screen asks for a password, it is lent one that nobody else knows."""
    with ExitStack() as later:

        def password() -> str:
            return later.enter_context(lent(domain, screen))

        Greeting(target, GREETING_SECONDS).run(password)


@contextmanager
def lent(domain: Domain, screen: Graphics) -> Iterator[str]:
    """A new password of the running screen, good for 30 s by the host's clock; afterwards the screen has the one
    that it had, with its time. What is left where the host is lost in between lapses by itself."""
    own = screen.text
    screen.password = password = new_password()
    screen.password_until = f"{datetime.now(UTC) + timedelta(seconds=PASSWORD_SECONDS):%Y-%m-%dT%H:%M:%S}"
    domain.update_live(screen.text, allowed=LENDS)
    try:
        yield password
    finally:
        try:
            domain.update_live(own, allowed=LENDS)
        except VirtError as error:
            logger.warning("a screen did not get its own password back: %s %s", error.code, error.details)
