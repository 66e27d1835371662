"""libvirt's event loop: one thread a process, before the first connection; without it no keepalive is sent."""

from __future__ import annotations

import atexit
import threading
from functools import cache

import libvirt

from vms.virt.failures import silence


@cache
def start() -> threading.Thread:
    """Run it for the life of the process; a second call does nothing."""
    silence()
    libvirt.virEventRegisterDefaultImpl()
    ended = threading.Event()
    wake = libvirt.virEventAddTimeout(-1, lambda timer, opaque: None, None)
    thread = threading.Thread(target=run, args=(ended,), name="libvirt events", daemon=True)
    thread.start()
    atexit.register(end, thread, ended, wake)
    return thread


def end(thread: threading.Thread, ended: threading.Event, wake: int) -> None:
    """A thread inside libvirt when the interpreter goes would abort the process."""
    ended.set()
    libvirt.virEventUpdateTimeout(wake, 0)
    thread.join(2)


def run(ended: threading.Event) -> None:
    # A file descriptor that went away under the loop is reported once and must not end it.
    while not ended.is_set():
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            continue
