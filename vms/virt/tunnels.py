"""Streams to other ends on an ssh host: a port of its own, or a unix socket. Used for consoles."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Final

from vms.errors import HostUnreachable, TimedOut, Unsupported, VirtError
from vms.virt import fields
from vms.virt.spec import HostSpec
from vms.virt.ssh import ALIAS, Ssh, require_accepted_key

OPEN_SECONDS: Final = 15.0


class Tunnel(socket.socket):
    """A connected stream socket; close() also ends the ssh that carries it. why() says what ssh said of its end."""

    carrier: Ssh

    def close(self) -> None:
        super().close()
        self.carrier.end()

    def why(self) -> VirtError | None:
        return self.carrier.why()


def carried(side: socket.socket, carrier: Ssh) -> Tunnel:
    made = Tunnel(fileno=side.detach())
    made.carrier = carrier
    return made


def tunnel(spec: HostSpec, address: str, port: int) -> Tunnel:
    """A stream to the port at the address (an IP address or a name) as the ssh host itself sees it: `ssh -W`.

    Returns at once: where nothing listens there, or ssh does not get in, the stream ends without a byte and why()
    tells. Unsupported for hosts of other transports; HostKeyUnknown, SecretUnreadable, BadHostField as in connect().
    """
    require_ssh(spec)
    literal = fields.address(address)
    end = f"[{literal}]:{fields.port(port, 0)}" if ":" in literal else f"{literal}:{fields.port(port, 0)}"
    carrier = Ssh(spec, "-W", end, "--", ALIAS)
    return carried(carrier.socket, carrier)


def tunnel_to_socket(spec: HostSpec, path: str) -> Tunnel:
    """A stream to a unix socket on the ssh host, by `ssh -L`; needs no program there.

    Waits until ssh has got in and raises what it said where it did not. A socket that its user may not open, or that
    nobody listens on, ends the stream without a byte.
    """
    require_ssh(spec)
    target = fields.path(path, fields.REMOTE_PATH)
    folder = Path(tempfile.mkdtemp(prefix="kvmweb-"))
    # cat ends with its input, which is ours: so nothing stays where this process is killed.
    carrier = Ssh(spec, "-L", f"{folder}/s:{target}", "--", ALIAS, "cat")
    try:
        side = await_door(carrier, str(folder / "s"))
    except BaseException:
        carrier.end()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return carried(side, carrier)


def await_door(carrier: Ssh, path: str) -> socket.socket:
    """Connected to ssh's own end of the tunnel."""
    until = time.monotonic() + OPEN_SECONDS
    while time.monotonic() < until:
        side = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError):
            side.connect(path)
            return side
        side.close()
        if carrier.process.poll() is not None:
            raise carrier.why() or HostUnreachable("ssh ended")
        time.sleep(0.02)
    raise TimedOut(f"no tunnel within {OPEN_SECONDS:g} s")


def require_ssh(spec: HostSpec) -> None:
    if spec.transport != "ssh":
        raise Unsupported(f"no tunnel over {spec.transport}")
    require_accepted_key(spec)
