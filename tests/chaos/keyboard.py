"""What arrives at a guest's keyboard and mouse: every press and release, as its kernel hears it."""

from __future__ import annotations

import re
import struct

from tests.lab.guests import LabGuest
from tests.lab.test_serial import opened, read

# Each event in hexadecimal digits on the line that the tests read.
TELL = (
    "for k in $(grep -lE 'AT Translated|Tablet' /sys/class/input/event*/device/name | cut -d/ -f5); do "
    'hexdump -v -e \'24/1 "%02x" "\\n"\' /dev/input/$k > /dev/ttyS0 & done\r'
)
EVENT = struct.Struct("<qqHHi")
OF_KEY = 1


def listen(guest: LabGuest) -> None:
    """From now on the guest tells of its keys and buttons; it has a shell."""
    with opened(guest) as line:
        line.sendall(b"\r")
        read(line, b":/# ")
        line.sendall(TELL.encode())
        line.sendall(b"echo listening-$((6*7))\r")
        read(line, b"listening-42")


def strokes(guest: LabGuest) -> list[tuple[int, int]]:
    """(Linux number of the key or button, 1 down or 0 up) of all that came so far."""
    found = []
    for digits in re.findall(r"(?<![0-9a-f])[0-9a-f]{48}(?![0-9a-f])", "\n".join(guest.lines())):
        _, _, kind, code, value = EVENT.unpack(bytes.fromhex(digits))
        if kind == OF_KEY:
            found.append((code, value))
    return found
