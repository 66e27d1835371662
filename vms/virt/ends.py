"""The far end of a wire: whatever carries the bytes to the daemon, as one stream socket that can be ended at once."""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol

from vms.errors import LibvirtStopped, NameUnknown, NoRoute, PortClosed, SocketForbidden, VirtError


class End(Protocol):
    """socket: the daemon's protocol in plain bytes. stands: libvirt has answered, secrets may be forgotten. end:
    close everything, from any thread, without blocking. why: what the carrier itself says of its end, if anything."""

    socket: socket.socket

    def stands(self) -> None: ...

    def end(self) -> None: ...

    def why(self) -> VirtError | None: ...


class Plain:
    """The daemon's own socket, by unix or TCP."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected

    def stands(self) -> None:
        pass

    def end(self) -> None:
        shut(self.socket)

    def why(self) -> VirtError | None:
        return None


def shut(side: socket.socket) -> None:
    """Close it, and wake whoever waits on it."""
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
    side.close()


def unix(path: str) -> socket.socket:
    """Connected to the daemon's socket on this machine."""
    side = socket.socket(socket.AF_UNIX)
    try:
        side.connect(path)
    except PermissionError as error:
        side.close()
        raise SocketForbidden(f"{path}: {error.strerror}", user="") from None
    except OSError as error:
        side.close()
        raise LibvirtStopped(f"{path}: {error.strerror or error}") from None
    return side


def tcp(address: str, port: int, timeout: float) -> socket.socket:
    """Connected to the port within the time."""
    try:
        side = socket.create_connection((address, port), timeout)
    except socket.gaierror as error:
        raise NameUnknown(str(error.strerror), address=address) from None
    except ConnectionRefusedError as error:
        raise PortClosed(str(error.strerror), address=address, port=port) from None
    except OSError as error:
        raise NoRoute(str(error.strerror or error), address=address, port=port) from None
    side.settimeout(None)
    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return side
