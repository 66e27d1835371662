"""A guest's agent that a test plays: in the guest two virtio ports are joined, libvirt is at the other end of the one,
and this at that of the other, speaking QEMU's agent protocol as well or as badly as a test wants.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

# Both stay open: a port can be opened once, and the host is told when it is.
JOIN: Final = (
    "for p in /sys/class/virtio-ports/*; do case $(cat $p/name) in org.qemu.guest_agent.0) a=/dev/${p##*/};; "
    "kvmweb.played) b=/dev/${p##*/};; esac; done; exec 3<>$b 4<>$a; "
    "while :; do cat <&3 >&4; sleep 1; done & while :; do cat <&4 >&3; sleep 1; done &\r"
)
FILE_SYSTEM: Final = {
    "name": "vda1", "mountpoint": "/", "type": "ext4", "disk": [], "total-bytes": 1 << 30, "used-bytes": 1 << 28,
}  # fmt: skip


class NoCommand(Exception):
    """It says no, in these words."""


class PlayedAgent:
    """answers: by command; silent: it reads and says nothing; raw: said in place of any other answer but to guest-sync.
    asked: the commands, as they came."""

    def __init__(self, path: Path) -> None:
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(str(path))
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.silent = False
        self.raw: bytes | None = None
        self.host_name = "guest-7"
        self.file_systems: list[dict[str, Any]] = [FILE_SYSTEM]
        self.frozen = False
        self.keys: dict[str, list[str]] = {"anna": []}
        self.passwords: dict[str, str] = {}
        self.ahead = 3600
        self.thread = threading.Thread(target=self.run, name="played agent", daemon=True)
        self.thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.thread.join(5)

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]

    def run(self) -> None:
        kept = b""
        with suppress(OSError):
            while piece := self.connection.recv(65536):
                *lines, kept = (kept + piece).split(b"\n")
                for line in lines:
                    self.take(line.replace(b"\xff", b""))

    def take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        name, given = said["execute"], said.get("arguments", {})
        self.asked.append((name, given))
        if self.silent:
            return
        if self.raw is not None and name != "guest-sync":
            self.connection.sendall(self.raw)
            return
        try:
            answer = {"return": self.answer(name, given)}
        except NoCommand as no:
            answer = {"error": {"class": "GenericError", "desc": str(no)}}
        self.connection.sendall(json.dumps(answer).encode() + b"\n")

    def answer(self, name: str, given: dict[str, Any]) -> Any:
        answers: dict[str, Callable[[], Any]] = {
            "guest-sync": lambda: given["id"],
            "guest-get-host-name": lambda: {"host-name": self.host_name},
            "guest-get-osinfo": lambda: {"id": "debian", "pretty-name": "Played 1", "kernel-release": "6.1"},
            "guest-get-users": lambda: [{"user": "anna", "login-time": 1.7e9}],
            "guest-get-timezone": lambda: {"zone": "CET", "offset": 3600},
            "guest-get-fsinfo": lambda: self.file_systems,
            "guest-get-disks": lambda: [],
            "guest-network-get-interfaces": lambda: [
                {
                    "name": "eth0", "hardware-address": "52:54:00:00:00:07",
                    "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "192.0.2.7", "prefix": 24}],
                }
            ],
            "guest-get-time": lambda: int((time.time() + self.ahead) * 1e9),
            "guest-set-time": self.set_time,
            "guest-fsfreeze-freeze": lambda: self.freeze(frozen=True),
            "guest-fsfreeze-thaw": lambda: self.freeze(frozen=False),
            "guest-set-user-password": lambda: self.set_password(given),
            "guest-ssh-get-authorized-keys": lambda: {"keys": self.of(given)},
            "guest-ssh-add-authorized-keys": lambda: self.of(given).extend(given["keys"]),
            "guest-ssh-remove-authorized-keys": lambda: self.take_away(given),
        }  # fmt: skip
        if name not in answers:
            raise NoCommand(f"The command {name} has not been found")
        found = answers[name]()
        return {} if found is None else found

    def set_time(self) -> None:
        self.ahead = 0

    def freeze(self, *, frozen: bool) -> int:
        changed = self.frozen != frozen
        self.frozen = frozen
        return 2 if changed else 0

    def set_password(self, given: dict[str, Any]) -> None:
        self.passwords[given["username"]] = base64.b64decode(given["password"]).decode()

    def of(self, given: dict[str, Any]) -> list[str]:
        if given["username"] not in self.keys:
            raise NoCommand("no such user")
        return self.keys[given["username"]]

    def take_away(self, given: dict[str, Any]) -> None:
        self.keys[given["username"]] = [key for key in self.of(given) if key not in given["keys"]]
