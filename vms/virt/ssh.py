"""ssh as a child process with a configuration of ours and nothing of the machine's or the user's.

The arguments are constant but for a tunnel's end; what the host's fields say stands in the configuration, checked by
strict patterns (vms.virt.fields). The configuration, the private key and the accepted host key are files in memory,
which end with this process, and the key at the latest when the connection stands.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from typing import Final

from vms.errors import HostKeyUnknown, HostUnreachable, VirtError
from vms.virt import fields, keys
from vms.virt.ends import shut
from vms.virt.memory import MemoryFile
from vms.virt.spec import HostSpec
from vms.virt.ssh_words import meaning
from vms.virt.unsealing import unseal

ALIAS: Final = "kvmweb-host"
PORT: Final = 22
ROOT: Final = "root"
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}
MOST_WORDS: Final = 16384
# For its last words, once nobody needs it any more.
GRACE: Final = 1.0
# The same for every host. Everything that could run something, ask somebody or use another connection is off.
CONSTANT: Final = f"""\
HostKeyAlias {ALIAS}
CheckHostIP no
GlobalKnownHostsFile /dev/null
KnownHostsCommand none
UpdateHostKeys no
HashKnownHosts no
VerifyHostKeyDNS no
BatchMode yes
PreferredAuthentications publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
GSSAPIAuthentication no
HostbasedAuthentication no
IdentitiesOnly yes
IdentityAgent none
PKCS11Provider none
AddKeysToAgent no
ForwardAgent no
ForwardX11 no
PermitLocalCommand no
ProxyCommand none
ProxyJump none
ControlMaster no
ControlPath none
CanonicalizeHostname no
Tunnel no
GatewayPorts no
ExitOnForwardFailure yes
EscapeChar none
RequestTTY no
ConnectTimeout 5
ConnectionAttempts 1
ServerAliveInterval 5
ServerAliveCountMax 3
TCPKeepAlive yes
LogLevel ERROR
"""


class Ssh:
    """A running ssh whose input and output are socket; End for a wire."""

    def __init__(self, spec: HostSpec, *words: str, ask_key: bool = False) -> None:
        """words: options for a tunnel, `--` and what follows. ask_key: only to see the machine's key, which is in
        known afterwards; ours is not shown."""
        self.spec = spec
        self.asking = ask_key
        self.files: list[MemoryFile] = []
        self.said = b""
        try:
            self.known = self.keep("known hosts", "" if ask_key else f"{ALIAS} {fields.host_key(spec.host_key)}\n")
            configuration = self.keep("configuration", self.configuration())
        except BaseException:
            self.forget()
            raise
        self.socket, theirs = socket.socketpair()
        try:
            self.process = subprocess.Popen(
                ["ssh", "-F", configuration.path, *words], stdin=theirs.fileno(), stdout=theirs.fileno(),
                stderr=subprocess.PIPE, env=ENVIRONMENT, cwd="/", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self.socket.close()
            self.forget()
            raise HostUnreachable(f"ssh could not be started here: {error}") from error
        finally:
            theirs.close()
        self.unwanted = threading.Lock()
        self.killing = threading.Timer(GRACE, self.process.kill)
        self.killing.daemon = True
        self.ended = threading.Thread(target=self.attend, name="ssh", daemon=True)
        self.ended.start()

    def configuration(self) -> str:
        spec = self.spec
        lines = [
            "Host *",
            f"HostName {fields.address(spec.address)}",
            f"Port {fields.port(spec.port, PORT)}",
            f"User {fields.user(spec.user or ROOT)}",
            f"UserKnownHostsFile {self.known.path}",
        ]
        if self.asking:
            lines += ["StrictHostKeyChecking accept-new", "PubkeyAuthentication no"]
        else:
            secret = unseal(spec.sealed, spec.sealed_for, spec.key_file)
            lines += [
                "StrictHostKeyChecking yes",
                f"HostKeyAlgorithms {keys.algorithms(spec.host_key)}",
                f"IdentityFile {self.keep('key', secret.strip() + chr(10)).path}",
            ]
        return "\n".join(lines) + "\n" + CONSTANT

    def keep(self, name: str, text: str) -> MemoryFile:
        file = MemoryFile(name, text)
        self.files.append(file)
        return file

    def forget(self) -> None:
        """Close the files; ssh has read them long ago, or never will."""
        for file in self.files:
            file.close()

    def attend(self) -> None:
        """Keep its last words, and take it away when it has ended."""
        stream = self.process.stderr
        if stream:
            with stream, contextlib.suppress(OSError):
                while chunk := os.read(stream.fileno(), 4096):
                    self.said = (self.said + chunk)[-MOST_WORDS:]
        self.process.wait()
        self.killing.cancel()
        if not self.asking:
            self.forget()

    def stands(self) -> None:
        self.forget()

    def end(self) -> None:
        """It ends by itself when its input does; one that hangs is killed."""
        shut(self.socket)
        # Taken once and never given back: both sides of a wire end it.
        if self.unwanted.acquire(blocking=False):
            self.killing.start()

    def why(self) -> VirtError | None:
        """What it said, None where it did not end by itself."""
        self.ended.join(GRACE + 1)
        return meaning(self.said.decode(errors="replace"), self.process.poll(), self.spec)


def require_accepted_key(spec: HostSpec) -> None:
    """HostKeyUnknown where nobody has accepted the machine's key: it is not even asked then."""
    if not spec.host_key:
        raise HostKeyUnknown(kind="", fingerprint="")
