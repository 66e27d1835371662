"""Where a host is reached. A URI is built from these fields and never taken from anybody."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

# The one daemon for all drivers, and each driver's own.
SYSTEM_SOCKET: Final = "/run/libvirt/libvirt-sock"
DRIVER_SOCKETS: Final = {
    "qemu": "/run/libvirt/virtqemud-sock", "lxc": "/run/libvirt/virtlxcd-sock", "xen": "/run/libvirt/virtxend-sock",
}  # fmt: skip
TRANSPORTS: Final = ("local", "unix", "ssh", "tls", "tcp")
PATHS: Final = {"qemu": "/system", "lxc": "/system", "xen": "/system", "test": "/default"}


@dataclass(frozen=True)
class HostSpec:
    """The fields are those of the row (Host); key_file opens sealed, which is bound to sealed_for.

    A local test host needs no daemon: its socket is the file that describes it, "" for libvirt's own example.
    """

    transport: str
    driver: str
    socket: str = ""
    uuid: str = ""
    address: str = ""
    port: int = 0
    user: str = ""
    host_key: str = ""
    ca_certificate: str = ""
    certificate: str = ""
    sealed: str = field(default="", repr=False)
    sealed_for: str = ""
    key_file: str = ""

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
        own = DRIVER_SOCKETS.get(self.driver, SYSTEM_SOCKET)
        return next((path for path in (SYSTEM_SOCKET, own) if Path(path).exists()), SYSTEM_SOCKET)

    def uri(self, socket: str) -> str:
        """The libvirt URI over that socket."""
        if self.in_process:
            return f"test://{quote(self.socket or PATHS['test'])}"
        return f"{self.driver}+unix://{PATHS[self.driver]}?socket={quote(socket)}"
