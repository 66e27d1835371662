"""The serial lines of this process: one for each device on which somebody has a console, or had one just now."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import connections

from vms import virt
from vms.errors import ConsoleBusy, VirtError
from vms.gateways.closing import Ended
from vms.gateways.line import End, Line
from vms.models import Console, Placement

logger = logging.getLogger(__name__)

# So that looking at another tab loses nothing; the price is that a program on the host finds the line held so long.
LINGER = 300.0
LET_GO = 0.5
# A device that ends as soon as it is opened, or a line that was just over.
ATTEMPTS = 3


class Lines:
    """Joins consoles to the line of their device; open_device says where it is, Ended why it cannot be had."""

    def __init__(self, open_device: Callable[[Console], socket.socket], linger: float = LINGER) -> None:
        self.open_device = open_device
        self.linger = linger
        self.lock = threading.Lock()
        self.lines: dict[tuple[int, str], Line] = {}

    def join(self, console: Console) -> End:
        """The console's end of its line, which is opened where nobody has it yet; Ended says why there is none."""
        for _ in range(ATTEMPTS):
            line = self.line(console)
            with line.opening:
                if not line.hold():
                    continue
                if line.device is None:
                    line.attach(self.open_device(console))
                end = line.seat(console.pk, drives=console.mode == Console.Mode.DRIVE.value)
            if end:
                return end
        raise Ended("target_closed")

    def line(self, console: Console) -> Line:
        """The line of the console's device; those that are over are forgotten."""
        key = (console.vm_id, console.device)
        with self.lock:
            self.lines = {known: line for known, line in self.lines.items() if not line.over}
            if key not in self.lines:
                self.lines[key] = Line(self.linger)
            return self.lines[key]

    def open_lines(self) -> list[Line]:
        with self.lock:
            return list(self.lines.values())

    def has_viewers(self) -> bool:
        return any(line.seats for line in self.open_lines())

    def drive(self, drivers: set[int], asked_at: float) -> None:
        """These consoles type, all others do not, of those that were there when that was asked (time.monotonic())."""
        for line in self.open_lines():
            line.drive(drivers, asked_at)

    def end(self) -> None:
        """Give all devices back."""
        for line in self.open_lines():
            line.end()
        for line in self.open_lines():
            line.thread.join(2)


def open_device(console: Console) -> socket.socket:
    """The console's serial device on its host; Ended says why there is none."""
    placement = Placement.objects.select_related("host").get(current_of=console.vm_id)
    connections.close_all()
    if placement.host.node not in ("", settings.ENVIRONMENT.node) or console.device not in placement.serials:
        raise Ended("no_screen")
    spec = virt.HostSpec(**placement.host.spec_fields())
    try:
        return ask(spec, str(placement.uuid), console)
    except ConsoleBusy:
        raise Ended("held_elsewhere") from None
    except VirtError as error:
        logger.info("no serial line for console %s: %s", console.pk, error)
        raise Ended("host_silent" if error.code in ("host_unreachable", "timed_out") else "no_screen") from None


def ask(spec: virt.HostSpec, uuid: str, console: Console) -> socket.socket:
    """The device; asked for again once, because a line that we have just let go is held for another moment."""
    try:
        return virt.open_console(spec, uuid, console.device, force=console.force)
    except ConsoleBusy:
        time.sleep(LET_GO)
    return virt.open_console(spec, uuid, console.device, force=console.force)
