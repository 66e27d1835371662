"""The other end of a console: the socket of a VM's screen, asked of its host."""

from __future__ import annotations

import logging
import socket
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from typing import Final, NamedTuple

from django.conf import settings
from django.db import connections

from vms import virt
from vms.errors import HostUnreachable, NotFound, TimedOut, VirtError
from vms.gateways import remote
from vms.gateways.closing import Ended
from vms.libvirtxml import DomainXML
from vms.models import Console, Host, Placement

logger = logging.getLogger(__name__)

HERE: Final = ("local", "unix")
OPEN_WITHIN = 10.0
# Over a network: libvirt's connection, the way to the screen, and the handshake.
OPEN_REMOTE_WITHIN = 25.0
# A host that hangs costs one thread: who finds its door held for so long is told so.
opening: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)


class Opened(NamedTuple):
    """A screen's socket. greeted: the relay has shaken hands with it; else that is the browser's."""

    socket: socket.socket
    greeted: bool = False


def open_screen(console: Console) -> Opened:
    """A connected socket that speaks RFB; Ended says why there is none."""
    placement = Placement.objects.select_related("host").get(current_of=console.vm_id)
    connections.close_all()
    host = placement.host
    if host.node not in ("", settings.ENVIRONMENT.node):
        raise Ended("no_screen")
    if "vnc" not in placement.graphics:
        raise Ended("no_screen")
    answer: Future[Opened] = Future()
    here = host.transport in HERE
    within = OPEN_WITHIN if here else OPEN_REMOTE_WITHIN
    arguments = (answer, open_here if here else open_remote, host, str(placement.uuid), within)
    threading.Thread(target=ask, args=arguments, name=f"open-{console.pk}", daemon=True).start()
    try:
        return answer.result(within)
    except TimeoutError:
        # A socket that comes after all is closed by its last reference.
        answer.cancel()
        raise Ended("host_silent") from None
    except VirtError as error:
        logger.info("no screen for console %s: %s", console.pk, error)
        raise Ended("host_silent" if isinstance(error, HostUnreachable | TimedOut) else "no_screen") from None


def ask(answer: Future[Opened], way: Callable[[Host, str], Opened], host: Host, uuid: str, within: float) -> None:
    """Ask the host, one question at a time; the answer may come when nobody waits any more."""
    door = opening[host.pk]
    if not door.acquire(timeout=within):
        return
    try:
        screen = way(host, uuid)
        if answer.set_running_or_notify_cancel():
            answer.set_result(screen)
        else:
            screen.socket.close()
    except Exception as error:
        if answer.set_running_or_notify_cancel():
            answer.set_exception(error)
    finally:
        door.release()


def open_here(host: Host, uuid: str) -> Opened:
    """What libvirt on this machine hands out: past any password, wherever the screen listens."""
    with virt.connect(virt.HostSpec(**host.spec_fields()), direct=True) as connection:
        domain = connection.domain(uuid)
        return Opened(domain.open_graphics(first_vnc(domain.info().live_xml)))


def open_remote(host: Host, uuid: str) -> Opened:
    """The screen of a VM of another machine, shaken hands with, and asked once more whether it is that VM's."""
    spec = virt.HostSpec(**host.spec_fields())
    with virt.connect(spec) as connection:
        domain = connection.domain(uuid)
        document, run = domain.live()
        if document.vnc is None:
            raise NotFound
        target = remote.reach(spec, document.vnc, run)
        try:
            remote.greet(target, domain, document.vnc)
            # The VM may have stopped while we connected, and another one may have its port by now.
            if domain.state()[1] != run:
                raise Ended("screen_moved")
        except BaseException:
            target.close()
            raise
    return Opened(target, greeted=True)


def first_vnc(document: str) -> int:
    """The place of the first VNC screen among all screens; NotFound when there is none, or the VM is off."""
    screens = DomainXML.parse(document).graphics if document else []
    for index, screen in enumerate(screens):
        if screen.type == "vnc":
            return index
    raise NotFound
