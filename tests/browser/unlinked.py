#!/usr/bin/env python3
"""Chromium, which hears nothing of this machine's network cards: it gets no netlink sockets.

When a card comes or goes, it lets whatever waits for a connection fail (net::ERR_NETWORK_CHANGED), and has no flag
against that; the lab makes cards while it runs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

# The same engine without the frame of a window, for half the work; the long level takes /usr/bin/chromium.
CHROMIUM = os.environ.get("KVMWEB_TEST_CHROMIUM", "/usr/bin/chromium-headless-shell")
# Of linux/seccomp.h, linux/bpf_common.h and linux/prctl.h.
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NO_NEW_PRIVS, SECCOMP, FILTER = 38, 22, 2
# The number of the call, and the lower half of its first argument, in struct seccomp_data.
CALL, FIRST = 0, 16
SOCKET = {"x86_64": 41, "aarch64": 198}


def refuse_netlink() -> None:
    """From here on, for this process and its children."""
    steps = (
        (LOAD, 0, 0, CALL),
        (EQUAL, 0, 3, SOCKET[platform.machine()]),
        (LOAD, 0, 0, FIRST),
        (EQUAL, 0, 1, socket.AF_NETLINK),
        (RETURN, 0, 0, ERRNO | errno.EACCES),
        (RETURN, 0, 0, ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((NO_NEW_PRIVS, 1, 0, 0, 0), (SECCOMP, FILTER, program, 0, 0)):
        if libc.prctl(*words):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse_netlink()
    os.execv(CHROMIUM, [CHROMIUM, *sys.argv[1:]])
