"""The other end of a console: the socket of a VM's screen, asked of its host."""

from __future__ import annotations

import logging
import socket
import threading
from collections import defaultdict
from concurrent.futures import Future, TimeoutError

from django.conf import settings
from django.db import connections

from vms import virt
from vms.errors import HostUnreachable, NotFound, TimedOut, VirtError
from vms.gateways.closing import Ended
from vms.libvirtxml import DomainXML
from vms.models import Console, Host, Placement

logger = logging.getLogger(__name__)

OPEN_WITHIN = 10.0
# A host that hangs costs one thread: who finds its door held for so long is told so.
opening: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)


def open_screen(console: Console) -> socket.socket:
    """A connected socket that speaks RFB; Ended says why there is none."""
    placement = Placement.objects.select_related("host").get(current_of=console.vm_id)
    connections.close_all()
    if placement.host.node not in ("", settings.ENVIRONMENT.node):
        raise Ended("no_screen")
    if "vnc" not in placement.graphics:
        raise Ended("no_screen")
    answer: Future[socket.socket] = Future()
    arguments = (answer, placement.host, str(placement.uuid))
    threading.Thread(target=ask, args=arguments, name=f"open-{console.pk}", daemon=True).start()
    try:
        return answer.result(OPEN_WITHIN)
    except TimeoutError:
        # A socket that comes after all is closed by its last reference.
        answer.cancel()
        raise Ended("host_silent") from None
    except VirtError as error:
        logger.info("no screen for console %s: %s", console.pk, error)
        raise Ended("host_silent" if isinstance(error, HostUnreachable | TimedOut) else "no_screen") from None


def ask(answer: Future[socket.socket], host: Host, uuid: str) -> None:
    """Ask the host, one question at a time; the answer may come when nobody waits any more."""
    door = opening[host.pk]
    if not door.acquire(timeout=OPEN_WITHIN):
        return
    try:
        with virt.connect(virt.HostSpec(**host.spec_fields()), direct=True) as connection:
            domain = connection.domain(uuid)
            screen = domain.open_graphics(first_vnc(domain.info().live_xml))
        if answer.set_running_or_notify_cancel():
            answer.set_result(screen)
        else:
            screen.close()
    except Exception as error:
        if answer.set_running_or_notify_cancel():
            answer.set_exception(error)
    finally:
        door.release()


def first_vnc(document: str) -> int:
    """The place of the first VNC screen among all screens; NotFound when there is none, or the VM is off."""
    screens = DomainXML.parse(document).graphics if document else []
    for index, screen in enumerate(screens):
        if screen.type == "vnc":
            return index
    raise NotFound
