"""Where a host is reached. A URI is built from these fields and never taken from anybody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

SYSTEM_SOCKETS: Final = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
TRANSPORTS: Final = ("local", "unix")
PATHS: Final = {"qemu": "/system", "test": "/default"}


@dataclass(frozen=True)
class HostSpec:
    """transport: local or unix; driver: qemu or test; socket: the daemon's, where it is not the usual one;
    uuid: the machine that must answer, "" for any.

    A local test host needs no daemon: its socket is the file that describes it, "" for libvirt's own example.
    """

    transport: str
    driver: str
    socket: str = ""
    uuid: str = ""

    def __post_init__(self) -> None:
        if self.driver not in PATHS or self.transport not in TRANSPORTS:
            raise ValueError(f"no way to a host by {self.transport} and {self.driver}")

    @property
    def in_process(self) -> bool:
        return self.driver == "test" and self.transport == "local"

    def daemon(self) -> str:
        """The daemon's socket."""
        if self.socket:
            return self.socket
        return next((path for path in SYSTEM_SOCKETS if Path(path).exists()), SYSTEM_SOCKETS[0])

    def uri(self, socket: str) -> str:
        """The libvirt URI over that socket."""
        if self.in_process:
            return f"test://{quote(self.socket or PATHS['test'])}"
        return f"{self.driver}+unix://{PATHS[self.driver]}?socket={quote(socket)}"
